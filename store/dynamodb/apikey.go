package dynamodb

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/triggers-api/triggers/store"
)

// The attributes of an API key beside its id and those it shares with tenants. The item of its hash has ownerAttribute
// and keyIDAttribute alone.
const (
	scopesAttribute   = "scopes"
	hashAttribute     = "hash"
	hintAttribute     = "hint"
	expiryAttribute   = "keyExpiresAt" // in milliseconds; expiresAt is KeyGrace later
	lastUsedAttribute = "lastUsedAt"
	ownerAttribute    = "owner"
	keyIDAttribute    = "keyId"
)

func hashKey(hash store.KeyHash) string { return hashPartition + hex.EncodeToString(hash[:]) }

func apiKeyItem(k *store.Key) item {
	it := key(keysPartition+k.TenantID, k.ID)
	setText(it, nameAttribute, k.Name)
	scopes := make([]types.AttributeValue, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = text(string(scope))
	}
	it[scopesAttribute] = &types.AttributeValueMemberL{Value: scopes}
	it[hashAttribute] = binary(k.Hash[:])
	setText(it, hintAttribute, k.Hint)
	it[createdAttribute] = millis(k.CreatedAt)
	setTime(it, expiryAttribute, k.ExpiresAt)
	setTime(it, lastUsedAttribute, k.LastUsedAt)
	return it
}

func apiKeyOf(tenantID string, it item) (store.Key, error) {
	hash := binaryOf(it, hashAttribute)
	if len(hash) != len(store.KeyHash{}) {
		return store.Key{}, errors.New("dynamodb: an API key with a broken hash")
	}
	k := store.Key{
		ID: textOf(it, sortKey), TenantID: tenantID, Name: textOf(it, nameAttribute), Hash: store.KeyHash(hash),
		Hint: textOf(it, hintAttribute), CreatedAt: timeOf(it, createdAttribute), ExpiresAt: timeOf(it, expiryAttribute),
		LastUsedAt: timeOf(it, lastUsedAttribute),
	}
	if scopes, ok := it[scopesAttribute].(*types.AttributeValueMemberL); ok {
		for _, scope := range scopes.Value {
			if scope, ok := scope.(*types.AttributeValueMemberS); ok {
				k.Scopes = append(k.Scopes, store.Scope(scope.Value))
			}
		}
	}
	return k, nil
}

// CreateKey implements store.Registry.
func (s *Store) CreateKey(ctx context.Context, k store.Key) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	own, pointer := apiKeyItem(&k), key(hashKey(k.Hash), only)
	pointer[ownerAttribute], pointer[keyIDAttribute] = text(k.TenantID), text(k.ID)
	if !k.ExpiresAt.IsZero() {
		own[expiresAt] = ttl(k.ExpiresAt.Add(store.KeyGrace))
		pointer[expiresAt] = own[expiresAt]
	}
	refused, err := s.change(ctx,
		types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: s.ref(), Key: key(tenantsPartition, k.TenantID),
			ConditionExpression: aws.String("attribute_exists(" + sortKey + ")"),
		}},
		types.TransactWriteItem{Put: &types.Put{TableName: s.ref(), Item: own, ConditionExpression: aws.String(ifAbsent)}},
		types.TransactWriteItem{Put: &types.Put{TableName: s.ref(), Item: pointer, ConditionExpression: aws.String(ifAbsent)}},
	)
	switch {
	case refused == nil:
		return err
	case refusedBy(refused[0]):
		return fmt.Errorf("dynamodb: tenant %s: %w", k.TenantID, store.ErrNotFound)
	default:
		return fmt.Errorf("dynamodb: API key %s: %w", k.ID, store.ErrExists)
	}
}

// KeyByHash implements store.Registry.
func (s *Store) KeyByHash(ctx context.Context, hash store.KeyHash) (store.Key, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Key{}, err
	}
	defer end()
	pointer, err := s.get(ctx, hashKey(hash), only)
	if err != nil {
		return store.Key{}, err
	}
	if pointer == nil {
		return store.Key{}, fmt.Errorf("dynamodb: API key by hash: %w", store.ErrNotFound)
	}
	return s.apiKey(ctx, textOf(pointer, ownerAttribute), textOf(pointer, keyIDAttribute))
}

func (s *Store) apiKey(ctx context.Context, tenantID, id string) (store.Key, error) {
	it, err := s.get(ctx, keysPartition+tenantID, id)
	if err != nil {
		return store.Key{}, err
	}
	if it == nil {
		return store.Key{}, fmt.Errorf("dynamodb: API key %s: %w", id, store.ErrNotFound)
	}
	return apiKeyOf(tenantID, it)
}

// Keys implements store.Registry.
func (s *Store) Keys(ctx context.Context, tenantID, after string, limit int) ([]store.Key, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	items, err := s.after(ctx, keysPartition+tenantID, after, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, len(items))
	for i := range items {
		if keys[i], err = apiKeyOf(tenantID, items[i]); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// ExpireKey implements store.Registry.
func (s *Store) ExpireKey(ctx context.Context, tenantID, id string, at time.Time) (store.Key, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Key{}, err
	}
	defer end()
	at = at.UTC().Truncate(time.Millisecond)
	// Expiries only move to earlier times, so that whoever is refused finds a key that needs no change.
	for range readAttempts {
		k, err := s.apiKey(ctx, tenantID, id)
		if err != nil || (!k.ExpiresAt.IsZero() && !at.Before(k.ExpiresAt)) {
			return k, err
		}
		refused, err := s.expire(ctx, &k, at)
		if err != nil {
			return store.Key{}, err
		}
		if !refused {
			k.ExpiresAt = at
			return k, nil
		}
	}
	return store.Key{}, fmt.Errorf("dynamodb: %w: API key %s is being changed by others", store.ErrUnavailable, id)
}

// expire has a key expire. It is refused when the key expires earlier or is gone.
func (s *Store) expire(ctx context.Context, k *store.Key, at time.Time) (refused bool, err error) {
	end := ttl(at.Add(store.KeyGrace))
	reasons, err := s.change(ctx,
		types.TransactWriteItem{Update: &types.Update{
			TableName: s.ref(), Key: key(keysPartition+k.TenantID, k.ID),
			UpdateExpression: aws.String("SET " + expiryAttribute + " = :at, " + expiresAt + " = :end"),
			ConditionExpression: aws.String("attribute_exists(" + sortKey + ") AND (attribute_not_exists(" + expiryAttribute +
				") OR " + expiryAttribute + " > :at)"),
			ExpressionAttributeValues: item{":at": millis(at), ":end": end},
		}},
		types.TransactWriteItem{Update: &types.Update{
			TableName: s.ref(), Key: key(hashKey(k.Hash), only),
			UpdateExpression:          aws.String("SET " + expiresAt + " = :end"),
			ConditionExpression:       aws.String("attribute_exists(" + sortKey + ")"),
			ExpressionAttributeValues: item{":end": end},
		}},
	)
	return reasons != nil, err
}

// TouchKeys implements store.Registry.
func (s *Store) TouchKeys(ctx context.Context, uses []store.KeyUse) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(updatesAtOnce)
	for _, use := range uses {
		group.Go(func() error { return s.touch(ctx, use) })
	}
	return group.Wait()
}

func (s *Store) touch(ctx context.Context, use store.KeyUse) error {
	_, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.ref(), Key: key(keysPartition+use.TenantID, use.KeyID),
		UpdateExpression: aws.String("SET " + lastUsedAttribute + " = :at"),
		ConditionExpression: aws.String("attribute_exists(" + sortKey + ") AND (attribute_not_exists(" + lastUsedAttribute +
			") OR " + lastUsedAttribute + " < :at)"),
		ExpressionAttributeValues: item{":at": millis(use.At)},
	})
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); refused {
		return nil // it is gone, or was used later
	}
	return s.failed(err)
}
