package dynamodb

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/triggers-api/triggers/store"
)

// forgetStep is how many idempotency keys one step looks at.
const forgetStep = 1000

// walkKey names a walk of Forget's along the idempotency keys of a tenant.
type walkKey struct {
	tenantID      string
	createdBefore int64 // in milliseconds
}

// walk is how far it has come.
type walk struct {
	began time.Time
	last  string // the sort key of the last item seen
}

// Forget implements store.Eraser. Keys do not lie in the order of time, so that a step may look at keys that all stay; the
// next one goes on where it ended.
func (s *Store) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	id := walkKey{tenantID, createdBefore.UnixMilli()}
	w, begun := s.walks.Get(id)
	var from item
	if begun {
		from = key(tenantID, w.last)
	} else {
		w.began = time.Now()
	}
	last, err := s.forget(ctx, tenantID, store.FirstEventID(createdBefore), from)
	if err != nil {
		return false, err
	}
	if last != "" {
		w.last = last
		s.walks.Add(id, w)
		return true, nil
	}
	s.walks.Remove(id)
	// An append that was under way at the time given may have stored its key behind a walk that began before it was over.
	settled := createdBefore.Add(operationTimeout)
	return w.began.Before(settled) && !time.Now().Before(settled), nil
}

// forget looks at some keys after the given one, removes those whose events have ids before the first, and returns the
// sort key of the last one that it looked at, nothing at the end. By the time it removes a key, that may stand for a new
// event, because it had expired or another instance was quicker; then it stays.
func (s *Store) forget(ctx context.Context, tenantID string, first store.EventID, after item) (last string, err error) {
	old, before := "#"+rememberedEvent+" < :first", text(first.String())
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName: s.ref(), ConsistentRead: aws.Bool(true), Limit: aws.Int32(forgetStep), ExclusiveStartKey: after,
		KeyConditionExpression:    aws.String(partitionKey + " = :tenant AND begins_with(" + sortKey + ", :prefix)"),
		FilterExpression:          aws.String(old),
		ProjectionExpression:      aws.String(partitionKey + ", " + sortKey),
		ExpressionAttributeNames:  names(rememberedEvent),
		ExpressionAttributeValues: item{":tenant": text(tenantID), ":prefix": text(keyPrefix), ":first": before},
	})
	if err != nil {
		return "", s.failed(err)
	}
	_, err = s.removeIf(ctx, out.Items, &dynamodb.DeleteItemInput{
		ConditionExpression: aws.String(old), ExpressionAttributeNames: names(rememberedEvent),
		ExpressionAttributeValues: item{":first": before},
	})
	return textOf(out.LastEvaluatedKey, sortKey), err
}
