package store

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

func TestRemembered(t *testing.T) {
	t.Parallel()
	r, reads := &remembered{}, 0
	read := func(takes time.Duration) func() ([]web.DeniedCount, error) {
		return func() ([]web.DeniedCount, error) {
			reads++
			<-time.After(takes)
			return []web.DeniedCount{{Name: "a", Scans: reads}}, nil
		}
	}
	q := deniedQuery{deniedRule, 1, 10}
	for n, want := range []int{1, 1} {
		list, err := r.of(q, read(2*slowRead))
		if err != nil || list[0].Scans != want {
			t.Errorf("read %d gives %v, %v", n, list, err)
		}
		list[0].Scans = 99 // the caller's own
	}
	if list, _ := r.of(deniedQuery{deniedRule, 2, 10}, read(2*slowRead)); list[0].Scans != 2 {
		t.Errorf("another query gives %v", list)
	}
	r.lists[q] = rememberedList{r.lists[q].list, time.Now().Add(-2 * rememberedBy)}
	if list, _ := r.of(q, read(0)); list[0].Scans != 3 {
		t.Errorf("after a minute it gives %v", list)
	}
}
