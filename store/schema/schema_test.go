package schema_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/schema"
)

func TestNewest(t *testing.T) {
	t.Parallel()
	newest, err := schema.Newest(fstest.MapFS{"00002_b.sql": {}, "00010_c.sql": {}, "00001_a.sql": {}, "README.md": {}})
	if err != nil || newest != 10 {
		t.Errorf("%d, %v", newest, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	if err := schema.Check(2, 2); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		current, needed int64
		remedy          string
	}{
		{0, 2, `store unavailable: schema: the database has version 0, this program needs 2: run "triggers migrate"`},
		{1, 2, `run "triggers migrate"`},
		{3, 2, `the database has version 3, this program knows 2: run a newer version of triggers`},
	} {
		err := schema.Check(c.current, c.needed)
		if !errors.Is(err, store.ErrSchema) || !errors.Is(err, store.ErrUnavailable) || !strings.HasSuffix(err.Error(), c.remedy) {
			t.Errorf("%d for %d: %v", c.current, c.needed, err)
		}
	}
}
