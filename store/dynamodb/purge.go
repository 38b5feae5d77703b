package dynamodb

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

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
	// What removes nothing is the end: so as long as another instance is quicker, this step goes on to what follows.
	for more = true; more && removed == 0; {
		if removed, more, err = s.purge(ctx, tenantID, first.String(), last.String()); err != nil {
			return removed, false, err
		}
	}
	if more {
		return removed, true, nil
	}
	// After the events, so that no event is without its parts, and by their own keys, so that none is left over by a
	// step that failed half-way.
	for more = true; more; {
		if _, more, err = s.purge(ctx, tenantID, partPrefix+first.String(), partPrefix+last.String()+"$"); err != nil || removed > 0 {
			break
		}
	}
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
	// Only what is still there counts: another instance may be removing the same.
	removed, err = s.removeIf(ctx, out.Items, &dynamodb.DeleteItemInput{
		ConditionExpression: aws.String("attribute_exists(" + sortKey + ")"),
	})
	return removed, len(out.LastEvaluatedKey) > 0, err
}

// removeIf removes items that meet a condition, and returns how many those were.
func (t table) removeIf(ctx context.Context, keys []item, condition *dynamodb.DeleteItemInput) (removed int, err error) {
	var count atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(updatesAtOnce)
	for _, k := range keys {
		one := *condition
		one.TableName, one.Key = t.ref(), k
		group.Go(func() error {
			_, err := t.api.DeleteItem(ctx, &one)
			if _, refused := errors.AsType[*types.ConditionalCheckFailedException](err); refused {
				return nil
			}
			if err == nil {
				count.Add(1)
			}
			return t.failed(err)
		})
	}
	err = group.Wait()
	return int(count.Load()), err
}

// Expire implements store.Eraser. DynamoDB removes by itself what has an expiresAt in the past.
func (s *Store) Expire(ctx context.Context) (more bool, err error) {
	_, end, err := s.begin(ctx)
	if err != nil {
		return false, err
	}
	end()
	return false, nil
}
