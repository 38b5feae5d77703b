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

// TenantsWithEvents implements store.Archive. Those that had events once are among them: to find out would be a query for
// each.
func (s *Store) TenantsWithEvents(ctx context.Context, after string, limit int) ([]string, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	inboxes, err := s.after(ctx, inboxesPartition, after, limit)
	if err != nil {
		return nil, err
	}
	tenants := make([]string, len(inboxes))
	for i := range inboxes {
		tenants[i] = textOf(inboxes[i], sortKey)
	}
	return tenants, nil
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
		Limit:                  aws.Int32(int32(limit + 1)), //nolint:gosec // a page of a list; one more for the bound
		KeyConditionExpression: aws.String(partitionKey + " = :tenant AND " + sortKey + " BETWEEN :after AND :end"),
		FilterExpression:       aws.String(rememberedUntil + " > :now"),
		ExpressionAttributeValues: item{
			":tenant": text(tenantID), ":after": text(keyPrefix + after), ":end": text(keyEnd), ":now": millis(time.Now()),
		},
	}
	var keys []store.IdempotencyKey
	for {
		out, err := s.api.Query(ctx, query)
		if err != nil {
			return nil, s.failed(err)
		}
		for _, it := range out.Items {
			if sortKeyOf(it, keyPrefix) == after {
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
		// There may be any number of expired ones in between.
		query.Limit, query.ExclusiveStartKey = nil, out.LastEvaluatedKey
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
		for _, part := range parts {
			writes[textOf(part, sortKey)] = put(part)
		}
		if events[i].Status == store.Deleted {
			// An earlier import may have left parts of a payload that was erased since.
			for n := range maxParts {
				k := partKey(tenantID, events[i].ID, n+1)
				writes[textOf(k, sortKey)] = remove(k)
			}
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
