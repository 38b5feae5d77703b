package dynamodb

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
)

// noteEvents puts a tenant on the list of tenants with events, before its first one, once for each instance.
func (s *Store) noteEvents(ctx context.Context, tenantID string) error {
	if s.withEvents.Contains(tenantID) {
		return nil
	}
	_, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: s.ref(), Item: key(inboxesPartition, tenantID)})
	if err != nil {
		return s.failed(err)
	}
	s.withEvents.Add(tenantID, struct{}{})
	return nil
}

// TenantsWithEvents implements store.Archive.
func (s *Store) TenantsWithEvents(ctx context.Context, after string, limit int) ([]string, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var tenants []string
	for {
		inboxes, err := s.after(ctx, inboxesPartition, after, limit)
		if err != nil {
			return nil, err
		}
		for _, inbox := range inboxes {
			after = textOf(inbox, sortKey)
			has, err := s.hasEvents(ctx, after)
			if err != nil {
				return nil, err
			}
			if has {
				tenants = append(tenants, after)
			}
			if len(tenants) == limit {
				return tenants, nil
			}
		}
		if len(inboxes) < limit {
			return tenants, nil
		}
	}
}

// hasEvents tells whether a tenant that is on the list still has events.
func (s *Store) hasEvents(ctx context.Context, tenantID string) (bool, error) {
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName: s.ref(), ConsistentRead: aws.Bool(true), Limit: aws.Int32(1),
		KeyConditionExpression: aws.String(partitionKey + " = :tenant AND " + sortKey + " BETWEEN :from AND :to"),
		ExpressionAttributeValues: item{
			":tenant": text(tenantID), ":from": text(store.EventID{}.String()), ":to": text(lastID.String()),
		},
		ProjectionExpression: aws.String(sortKey),
	})
	if err != nil {
		return false, s.failed(err)
	}
	return len(out.Items) > 0, nil
}

// IdempotencyKeys implements store.Archive.
func (s *Store) IdempotencyKeys(ctx context.Context, tenantID, after string, limit int) ([]store.IdempotencyKey, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	query := &dynamodb.QueryInput{
		TableName: s.ref(), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String(partitionKey + " = :tenant AND " + sortKey + " BETWEEN :after AND :end"),
		ExpressionAttributeValues: item{":tenant": text(tenantID), ":after": text(keyPrefix + after), ":end": text(keyEnd)},
	}
	var keys []store.IdempotencyKey
	for {
		query.Limit = aws.Int32(int32(limit - len(keys) + 1)) //nolint:gosec // a page of a list; one more for the bound
		out, err := s.api.Query(ctx, query)
		if err != nil {
			return nil, s.failed(err)
		}
		now := time.Now()
		for _, it := range out.Items {
			if sortKeyOf(it, keyPrefix) == after || forgotten(it, now) {
				continue
			}
			k, err := rememberedOf(it)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
			if len(keys) == limit {
				return keys, nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return keys, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Import implements store.Archive.
func (s *Store) Import(ctx context.Context, tenantID string, events []store.Event, keys []store.IdempotencyKey) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if len(events) > 0 {
		if err := s.noteEvents(ctx, tenantID); err != nil {
			return err
		}
		if err := s.idsAfter(ctx, newest(events)); err != nil {
			return err
		}
	}
	return s.write(ctx, s.imports(tenantID, events, keys))
}

// imports are the writes of an import.
func (s *Store) imports(tenantID string, events []store.Event, keys []store.IdempotencyKey) []types.WriteRequest {
	// One write may not name an item twice; the last one counts.
	writes := map[string]types.WriteRequest{}
	retention := s.retention(tenantID)
	for i := range events {
		own, parts := eventItems(tenantID, &events[i], retention)
		writes[textOf(own, sortKey)] = put(own)
		for n := range maxParts {
			// An earlier import may have left parts of a payload that was erased since.
			k := partKey(tenantID, events[i].ID, n+1)
			if events[i].Status == store.Deleted {
				writes[textOf(k, sortKey)] = remove(k)
			}
		}
		for _, part := range parts {
			writes[textOf(part, sortKey)] = put(part)
		}
	}
	for i := range keys {
		it := rememberedItem(tenantID, &keys[i])
		writes[textOf(it, sortKey)] = put(it)
	}
	requests := make([]types.WriteRequest, 0, len(writes))
	for _, w := range writes {
		requests = append(requests, w)
	}
	return requests
}

func newest(events []store.Event) store.EventID {
	var last store.EventID
	for i := range events {
		if events[i].ID.Compare(last) > 0 {
			last = events[i].ID
		}
	}
	return last
}

// idsAfter has new ids follow one that is imported. Only one that is ahead of the clock needs to be noted for other
// instances and the time after a restart, which read it when they open the table.
func (s *Store) idsAfter(ctx context.Context, id store.EventID) error {
	if id.Time().Before(time.Now()) {
		return nil
	}
	_, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.ref(), Key: key(schemaPartition, only),
		UpdateExpression:          aws.String("SET " + newestAttribute + " = :id"),
		ConditionExpression:       aws.String("attribute_not_exists(" + newestAttribute + ") OR " + newestAttribute + " < :id"),
		ExpressionAttributeValues: item{":id": text(id.String())},
	})
	if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); !refused && err != nil {
		return s.failed(err)
	}
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	if next := s.ids.Next(); next.Compare(id) < 0 {
		s.ids = store.NewIDSource(id)
	}
	return nil
}
