package dynamodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// table is a table by its name.
type table struct {
	api  *dynamodb.Client
	name string
}

func (t table) ref() *string { return aws.String(t.name) }

// change makes conditional changes, all or none, and returns the reasons if it did not because of a condition, one for
// each action. It is a transaction even for a single change, because a transaction that is sent again after its answer
// was lost does not run into its own result.
func (t table) change(ctx context.Context, actions ...types.TransactWriteItem) (refused []types.CancellationReason, err error) {
	_, err = t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: actions})
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok &&
		len(cancelled.CancellationReasons) == len(actions) && slices.ContainsFunc(cancelled.CancellationReasons, refusedBy) {
		return cancelled.CancellationReasons, nil
	}
	return nil, t.failed(err)
}

func refusedBy(reason types.CancellationReason) bool {
	return aws.ToString(reason.Code) == reasonCondition
}

// get returns an item as it is now; nothing when it is not there or past its time.
func (t table) get(ctx context.Context, partition, sort string) (item, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: t.ref(), Key: key(partition, sort), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, t.failed(err)
	}
	if gone(out.Item, time.Now()) {
		return nil, nil
	}
	return out.Item, nil
}

// after returns at most n items of a partition in the order of their sort keys, from the first after the given one.
func (t table) after(ctx context.Context, partition, sort string, n int) ([]item, error) {
	query := &dynamodb.QueryInput{
		TableName: t.ref(), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String(partitionKey + " = :partition"),
		ExpressionAttributeValues: item{":partition": text(partition)},
	}
	if sort != "" { // which a sort key cannot be compared with
		*query.KeyConditionExpression += " AND " + sortKey + " > :after"
		query.ExpressionAttributeValues[":after"] = text(sort)
	}
	var found []item
	for {
		query.Limit = aws.Int32(int32(n - len(found))) //nolint:gosec // a page of a list
		out, err := t.api.Query(ctx, query)
		if err != nil {
			return nil, t.failed(err)
		}
		now := time.Now()
		for _, it := range out.Items {
			if !gone(it, now) {
				found = append(found, it)
			}
		}
		if len(found) == n || len(out.LastEvaluatedKey) == 0 {
			return found, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
