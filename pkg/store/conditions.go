package store

import (
	"errors"
	"strconv"
	"strings"
)

// errNothing says that nothing can meet what is asked for.
var errNothing = errors.New("nothing is like that")

// conditions are what rows have to meet, all of them, with the arguments of their placeholders.
type conditions struct {
	list []string
	args []any
}

// add adds a condition in which each ? stands for a value, or for a list of numbers.
func (c *conditions) add(condition string, values ...any) {
	c.list = append(c.list, c.fill(condition, values...))
}

// fill numbers the placeholders of a text and takes their values.
func (c *conditions) fill(text string, values ...any) string {
	for _, value := range values {
		numbers, many := value.([]int64)
		if !many {
			c.args = append(c.args, value)
			text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
			continue
		}
		text = strings.Replace(text, "?", placeList(len(c.args), len(numbers)), 1)
		for _, n := range numbers {
			c.args = append(c.args, n)
		}
	}
	return text
}

// where gives the clause, which is empty where there are no conditions.
func (c *conditions) where() string {
	if len(c.list) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.list, " AND ")
}
