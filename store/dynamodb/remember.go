package dynamodb

import (
	"crypto/sha256"
	"fmt"

	"github.com/triggers-api/triggers/store"
)

// The attributes of a remembered idempotency key beside its own key.
const (
	rememberedEvent       = "event"
	rememberedFingerprint = "fingerprint"
	// rememberedUntil is in milliseconds, unlike expiresAt: a key is forgotten on time, whenever DynamoDB removes it.
	rememberedUntil = "rememberedUntil"
)

func rememberedItem(tenantID string, k *store.IdempotencyKey) item {
	it := key(tenantID, keyPrefix+k.Key)
	it[rememberedEvent] = text(k.EventID.String())
	it[rememberedFingerprint] = binary(k.Fingerprint[:])
	it[rememberedUntil] = millis(k.ExpiresAt)
	it[expiresAt] = ttl(k.ExpiresAt)
	return it
}

func rememberedOf(it item) (store.IdempotencyKey, error) {
	id, err := store.ParseEventID(textOf(it, rememberedEvent))
	fingerprint := binaryOf(it, rememberedFingerprint)
	if err != nil || len(fingerprint) != sha256.Size {
		return store.IdempotencyKey{}, fmt.Errorf("dynamodb: an idempotency key that cannot be read: %w", err)
	}
	return store.IdempotencyKey{
		Key: sortKeyOf(it, keyPrefix), EventID: id, Fingerprint: [sha256.Size]byte(fingerprint),
		ExpiresAt: timeOf(it, rememberedUntil),
	}, nil
}
