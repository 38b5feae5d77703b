package dynamodb

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
)

// purgeStep is how many items one step removes at most. A step looks at no more than 1 MB of them.
const purgeStep = 500

// Purge implements store.Eraser.
func (s *Store) Purge(ctx context.Context, tenantID string, createdBefore time.Time) (removed int, more bool, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return 0, false, err
	}
	defer end()
	last, some := predecessor(store.FirstEventID(createdBefore))
	if !some {
		return 0, false, nil
	}
	first := store.EventID{}
	removed, more, err = s.purge(ctx, tenantID, first.String(), last.String())
	if more || err != nil {
		return removed, more, err
	}
	// After the events, so that no event is without its parts, and by their own keys, so that none is left over by a
	// step that failed half-way.
	_, more, err = s.purge(ctx, tenantID, partPrefix+first.String(), partPrefix+last.String()+"$")
	return removed, more, err
}

// purge removes items between two sort keys, both included.
func (s *Store) purge(ctx context.Context, tenantID, from, to string) (removed int, more bool, err error) {
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName: s.ref(), ConsistentRead: aws.Bool(true), Limit: aws.Int32(purgeStep),
		KeyConditionExpression:    aws.String(partitionKey + " = :tenant AND " + sortKey + " BETWEEN :from AND :to"),
		ExpressionAttributeValues: item{":tenant": text(tenantID), ":from": text(from), ":to": text(to)},
		ProjectionExpression:      aws.String(partitionKey + ", " + sortKey),
	})
	if err != nil {
		return 0, false, s.failed(err)
	}
	if err := s.write(ctx, removals(out.Items)); err != nil {
		return 0, false, err
	}
	return len(out.Items), len(out.LastEvaluatedKey) > 0, nil
}

func removals(keys []item) []types.WriteRequest {
	requests := make([]types.WriteRequest, len(keys))
	for i := range keys {
		requests[i] = remove(keys[i])
	}
	return requests
}

// Forget implements store.Eraser. Keys do not lie in the order of time, so that a step may look at many that stay.
func (s *Store) Forget(ctx context.Context, tenantID string, createdBefore time.Time) (more bool, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	query := &dynamodb.QueryInput{
		TableName: s.ref(), ConsistentRead: aws.Bool(true), Limit: aws.Int32(scanned),
		KeyConditionExpression:   aws.String(partitionKey + " = :tenant AND begins_with(" + sortKey + ", :prefix)"),
		FilterExpression:         aws.String("#" + rememberedEvent + " < :first"),
		ProjectionExpression:     aws.String(partitionKey + ", " + sortKey),
		ExpressionAttributeNames: names(rememberedEvent),
		ExpressionAttributeValues: item{
			":tenant": text(tenantID), ":prefix": text(keyPrefix), ":first": text(store.FirstEventID(createdBefore).String()),
		},
	}
	for {
		out, err := s.api.Query(ctx, query)
		if err != nil {
			return false, s.failed(err)
		}
		if err := s.write(ctx, removals(out.Items)); err != nil {
			return false, err
		}
		more := len(out.LastEvaluatedKey) > 0
		if len(out.Items) > 0 || !more {
			return more, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Expire implements store.Eraser. DynamoDB removes by itself what has an expiresAt in the past.
func (s *Store) Expire(ctx context.Context) (more bool, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	return false, s.failed(ctx.Err())
}
