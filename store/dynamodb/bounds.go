package dynamodb

import "github.com/triggers-api/triggers/store"

// lastID is the greatest id there can be.
var lastID = store.EventID{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// successor is the id that follows, by which a bound that is included stands for one that is not. The last one has none.
func successor(id store.EventID) (next store.EventID, ok bool) {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			return id, true
		}
	}
	return lastID, false
}

// predecessor is the id before, by which a bound that is included stands for one that is not. The zero id has none.
func predecessor(id store.EventID) (previous store.EventID, ok bool) {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			return id, true
		}
	}
	return store.EventID{}, false
}
