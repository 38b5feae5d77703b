package dynamodb

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	readBatch  = 100 // items in one BatchGetItem
	writeBatch = 25  // items in one BatchWriteItem
)

// read reads items of one partition as they are now, by their sort keys. Those that are not there are left out.
func (t table) read(ctx context.Context, keys []item) (map[string]item, error) {
	found := make(map[string]item, len(keys))
	attempts := 0
	for len(keys) > 0 {
		n := min(len(keys), readBatch)
		out, err := t.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.name: {Keys: keys[:n], ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return nil, t.failed(err)
		}
		for _, it := range out.Responses[t.name] {
			found[textOf(it, sortKey)] = it
		}
		keys = keys[n:]
		// What is left is what did not fit into one answer of 16 MB, or was throttled.
		left := out.UnprocessedKeys[t.name].Keys
		keys = append(slices.Clip(keys), left...)
		if len(left) < n {
			attempts = 0
			continue
		}
		attempts++
		if err := pause(ctx, attempts); err != nil {
			return nil, t.failed(err)
		}
	}
	return found, nil
}

// write puts and deletes items, each for itself: what fails may have written some.
func (t table) write(ctx context.Context, requests []types.WriteRequest) error {
	attempts := 0
	for len(requests) > 0 {
		n := min(len(requests), writeBatch)
		out, err := t.api.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.name: requests[:n]},
		})
		if err != nil {
			return t.failed(err)
		}
		left := out.UnprocessedItems[t.name]
		requests = append(slices.Clip(requests[n:]), left...)
		if len(left) == 0 {
			attempts = 0
			continue
		}
		attempts++
		if err := pause(ctx, attempts); err != nil {
			return t.failed(err)
		}
	}
	return nil
}

func put(it item) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: it}}
}

func remove(key item) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}
}
