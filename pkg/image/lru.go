package image

import (
	"container/list"
	"sync"
)

// lru keeps values up to a total cost and drops those that were not used for longest.
type lru[V any] struct {
	mu    sync.Mutex
	max   int
	cost  int
	order *list.List // of *entry[V], most recently used first
	byKey map[string]*list.Element
}

type entry[V any] struct {
	key   string
	value V
	cost  int
}

func newLRU[V any](maxCost int) *lru[V] {
	return &lru[V]{max: maxCost, order: list.New(), byKey: map[string]*list.Element{}}
}

func (c *lru[V]) get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(element)
	return entryOf[V](element).value, true
}

// put stores a value; one that costs more than the whole cache may is not kept.
func (c *lru[V]) put(key string, value V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if cost > c.max {
		return
	}
	c.byKey[key] = c.order.PushFront(&entry[V]{key: key, value: value, cost: cost})
	c.cost += cost
	for c.cost > c.max {
		c.remove(entryOf[V](c.order.Back()).key)
	}
}

func (c *lru[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
}

func (c *lru[V]) remove(key string) {
	element, ok := c.byKey[key]
	if !ok {
		return
	}
	c.cost -= entryOf[V](element).cost
	c.order.Remove(element)
	delete(c.byKey, key)
}

func entryOf[V any](element *list.Element) *entry[V] {
	e, ok := element.Value.(*entry[V])
	if !ok {
		panic("image: a foreign value in the list") // only put adds to it
	}
	return e
}
