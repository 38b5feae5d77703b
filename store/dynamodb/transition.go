package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/triggers-api/triggers/store"
)

// updatesAtOnce is how many items one call changes at the same time.
const updatesAtOnce = 16

// notGone is a condition that leaves out what is past its time.
const notGone = "(attribute_not_exists(" + expiresAt + ") OR " + expiresAt + " > :clock)"

// Acknowledge implements store.Events.
func (s *Store) Acknowledge(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, ids, func(ctx context.Context, id store.EventID) (store.Transition, error) {
		return s.acknowledge(ctx, tenantID, id)
	})
}

// Delete implements store.Events.
func (s *Store) Delete(ctx context.Context, tenantID string, ids []store.EventID) ([]store.Transition, error) {
	return s.transition(ctx, ids, func(ctx context.Context, id store.EventID) (store.Transition, error) {
		return s.delete(ctx, tenantID, id)
	})
}

func (s *Store) transition(
	ctx context.Context, ids []store.EventID, one func(context.Context, store.EventID) (store.Transition, error),
) ([]store.Transition, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	transitions := make([]store.Transition, len(ids))
	// Doing the same again changes nothing, so an id that comes twice has one answer.
	first := make(map[store.EventID]int, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(updatesAtOnce)
	for i, id := range ids {
		if _, again := first[id]; again {
			continue
		}
		first[id] = i
		group.Go(func() error {
			t, err := one(ctx, id)
			transitions[i] = t
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, id := range ids {
		transitions[i] = transitions[first[id]]
	}
	return transitions, nil
}

func (s *Store) acknowledge(ctx context.Context, tenantID string, id store.EventID) (store.Transition, error) {
	now := time.Now()
	_, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.ref(), Key: key(tenantID, id.String()),
		UpdateExpression:    aws.String("SET " + placeAttribute + " = :to, " + acknowledgedAttribute + " = :now"),
		ConditionExpression: aws.String(placeAttribute + " = :pending AND " + notGone),
		ExpressionAttributeValues: item{
			":to": text(place(store.Acknowledged, id)), ":pending": text(place(store.Pending, id)),
			":now": notBefore(id, now), ":clock": number(now.Unix()),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return standing(id, refused.Item, store.Acknowledged, now), nil
	}
	return store.Transition{ID: id, Status: store.Acknowledged}, s.failed(err)
}

func (s *Store) delete(ctx context.Context, tenantID string, id store.EventID) (store.Transition, error) {
	for range readAttempts {
		now := time.Now()
		erase := s.erase(tenantID, id, now)
		_, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: s.ref(), Key: erase.Key, UpdateExpression: erase.UpdateExpression,
			ConditionExpression:                 aws.String(*erase.ConditionExpression + " AND attribute_not_exists(#parts)"),
			ExpressionAttributeNames:            erase.ExpressionAttributeNames,
			ExpressionAttributeValues:           erase.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
		if !ok {
			return store.Transition{ID: id, Status: store.Deleted}, s.failed(err)
		}
		t := standing(id, refused.Item, store.Deleted, now)
		if t.Err == nil || errors.Is(t.Err, store.ErrNotFound) {
			return t, nil
		}
		// It has parts, which have to go with it.
		done, err := s.deleteWithParts(ctx, tenantID, id, erase, int(numberOf(refused.Item, partsAttribute)))
		if done || err != nil {
			return store.Transition{ID: id, Status: store.Deleted}, err
		}
	}
	return store.Transition{}, fmt.Errorf("dynamodb: %w: event %s is being changed by others", store.ErrUnavailable, id)
}

// erase makes a tombstone of an event.
func (s *Store) erase(tenantID string, id store.EventID, now time.Time) *types.Update {
	return &types.Update{
		TableName: s.ref(), Key: key(tenantID, id.String()),
		UpdateExpression: aws.String("SET " + placeAttribute + " = :to, " + deletedAttribute + " = :now, #size = :nothing" +
			" REMOVE " + payloadAttribute + ", #parts, " + idempotencyAttribute),
		ConditionExpression:      aws.String("attribute_exists(" + sortKey + ") AND " + placeAttribute + " <> :to AND " + notGone),
		ExpressionAttributeNames: names(sizeAttribute, partsAttribute),
		ExpressionAttributeValues: item{
			":to": text(place(store.Deleted, id)), ":nothing": number(0), ":now": notBefore(id, now), ":clock": number(now.Unix()),
		},
	}
}

// deleteWithParts is not done when the event was deleted or purged meanwhile.
func (s *Store) deleteWithParts(ctx context.Context, tenantID string, id store.EventID, erase *types.Update, parts int) (done bool, err error) {
	actions := make([]types.TransactWriteItem, 0, 1+parts)
	actions = append(actions, types.TransactWriteItem{Update: erase})
	for n := range parts {
		actions = append(actions, types.TransactWriteItem{Delete: &types.Delete{TableName: s.ref(), Key: partKey(tenantID, id, n+1)}})
	}
	refused, err := s.change(ctx, actions...)
	return refused == nil && err == nil, err
}

// standing answers for an event that was not changed, by how it stands.
func standing(id store.EventID, it item, to store.Status, now time.Time) store.Transition {
	if len(it) == 0 || gone(it, now) {
		return store.Transition{ID: id, Err: store.ErrNotFound}
	}
	t := store.Transition{ID: id, Status: statusOf(it)}
	if t.Status != to {
		t.Err = store.ErrDeleted
	}
	return t
}

// notBefore is the time of a transition, which is not before the event's own, whatever clock that came from.
func notBefore(id store.EventID, now time.Time) types.AttributeValue {
	if created := id.Time(); created.After(now) {
		return millis(created)
	}
	return millis(now)
}
