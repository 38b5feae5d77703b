package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/triggers-api/triggers/store"
)

// entry is what is remembered of an idempotency key: the event it made and how that looked.
type entry struct {
	id          store.EventID
	fingerprint [sha256.Size]byte
}

// receipt answers an event that comes with the same key.
func (e *entry) receipt(again *store.NewEvent) store.Receipt {
	if again.Fingerprint() != e.fingerprint {
		return store.Receipt{ID: e.id, Outcome: store.KeyReused}
	}
	return store.Receipt{ID: e.id, Outcome: store.Duplicate}
}

// text is the entry as Redis keeps it: id, fingerprint, generation.
func (e *entry) text(generation string) string {
	return string(e.id[:]) + string(e.fingerprint[:]) + generation
}

// parseEntry reads what Redis keeps. Whatever is not an entry of this generation is none.
func parseEntry(value any, generation string) (e entry, ok bool) {
	text, ok := value.(string)
	const start = len(e.id) + len(e.fingerprint)
	if !ok || len(text) < start || text[start:] != generation {
		return entry{}, false
	}
	copy(e.id[:], text)
	copy(e.fingerprint[:], text[len(e.id):])
	return e, true
}

// tenantPrefix begins the names of all that Redis keeps for a tenant. The braces have a Redis Cluster keep it together.
func tenantPrefix(tenantID string) string { return "trg:idem:{" + url.PathEscape(tenantID) + "}:" }

func generationName(tenantID string) string { return tenantPrefix(tenantID) + "generation" }

// entryName does not show the idempotency key, which may say something of what it was made for.
func entryName(tenantID, key string) string {
	sum := sha256.Sum256([]byte(key))
	return tenantPrefix(tenantID) + hex.EncodeToString(sum[:])
}
