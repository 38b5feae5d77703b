package store

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Key is what is known of an API key; the key itself is known to its owner alone. Times are UTC with milliseconds.
type Key struct {
	ID       string // "key_…"
	TenantID string
	Name     string // for people
	Scopes   []Scope
	Hash     KeyHash
	Hint     string // how the key begins, for people who look for the right one

	CreatedAt time.Time
	// ExpiresAt is zero for a key that does not expire. A revoked key expired when it was revoked.
	ExpiresAt time.Time
	// LastUsedAt is zero for a key that was never used. It may be a minute behind.
	LastUsedAt time.Time
}

// Expired tells whether the key is no longer valid.
func (k *Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// KeyGrace is how long an expired key is kept for people to look at.
const KeyGrace = 30 * 24 * time.Hour

// Scope is something that a key may be used for.
type Scope string

// The scopes.
const (
	EventsWrite        Scope = "events:write"
	InboxRead          Scope = "inbox:read"
	InboxWrite         Scope = "inbox:write"
	SubscriptionsRead  Scope = "subscriptions:read"
	SubscriptionsWrite Scope = "subscriptions:write"
	DeliveriesRead     Scope = "deliveries:read"
	DeliveriesWrite    Scope = "deliveries:write"
)

// Scopes returns all scopes.
func Scopes() []Scope {
	return []Scope{EventsWrite, InboxRead, InboxWrite, SubscriptionsRead, SubscriptionsWrite, DeliveriesRead, DeliveriesWrite}
}

// Allows tells whether the key has a scope.
func (k *Key) Allows(s Scope) bool { return slices.Contains(k.Scopes, s) }

// KeyHash is what is stored of an API key: its SHA-256. Keys are 256 random bits, which nobody can guess from a hash
// however fast it is.
type KeyHash [sha256.Size]byte

// HashKey returns the hash of an API key.
func HashKey(key string) KeyHash { return sha256.Sum256([]byte(key)) }

// An API key is keyPrefix, 256 random bits in keyDigits digits of base 62, and a CRC-32 of all that in checkDigits. The
// prefix and the checksum let secret scanners tell keys from other text: trg_[0-9A-Za-z]{49}.
const (
	keyPrefix   = "trg_"
	keyDigits   = 43
	checkDigits = 6
	hintLength  = len(keyPrefix) + 4
)

// NewKey makes an API key for a tenant. The key itself is returned beside what is to be stored of it.
func NewKey(tenantID, name string, scopes []Scope, expiresAt time.Time) (key string, k Key) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	key = keyPrefix + base62(new(big.Int).SetBytes(random[:]), keyDigits)
	key += keyChecksum(key)
	return key, Key{
		ID: NewID("key_"), TenantID: tenantID, Name: name, Scopes: scopes, Hash: HashKey(key), Hint: key[:hintLength],
		CreatedAt: Now(), ExpiresAt: expiresAt.UTC().Truncate(time.Millisecond),
	}
}

// WellFormedKey tells whether a text is an API key as NewKey makes them, so that nothing else needs looking up.
func WellFormedKey(s string) bool {
	const length = len(keyPrefix) + keyDigits
	return len(s) == length+checkDigits && strings.HasPrefix(s, keyPrefix) && keyChecksum(s[:length]) == s[length:]
}

func keyChecksum(s string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), checkDigits)
}

func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}
