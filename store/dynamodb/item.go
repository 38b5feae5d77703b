package dynamodb

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The table's key. A tenant's events have its id and theirs. All else has a sort key that no event id is, under the
// tenant's id what belongs to its events, or under a partition key that no tenant id is because it begins with a space.
const (
	partitionKey = "tenantId"
	sortKey      = "eventId"
)

// The partitions and sort keys beside those of events.
const (
	// schemaPartition has the one item that says what version the table is, which health checks write to.
	schemaPartition = " schema"
	// tenantsPartition has the registered tenants, by id.
	tenantsPartition = " tenants"
	// inboxesPartition has an item for each tenant that has, or had, events, registered or not, by its id.
	inboxesPartition = " inboxes"
	// keysPartition, followed by a tenant's id, has its API keys, by id.
	keysPartition = " keys "
	// hashPartition, followed by an API key's hash, has one item that says whose key it is.
	hashPartition = " hash "
	// only is the sort key where a partition has one item.
	only = "-"
	// keyPrefix is before an idempotency key.
	keyPrefix = "key#"
	// keyEnd follows everything that begins with keyPrefix.
	keyEnd = "key$"
	// partPrefix is before the event's id and the number of a part of its payload.
	partPrefix = "part#"
)

// expiresAt is the table's TTL attribute, in seconds since 1970. DynamoDB removes an item within days after that, so
// whatever reads an item that can have it looks at it. Idempotency keys have a more precise time beside it.
const expiresAt = "expiresAt"

type item = map[string]types.AttributeValue

func key(partition, sort string) item {
	return item{partitionKey: text(partition), sortKey: text(sort)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func millis(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

// ttl is a moment as expiresAt has it, not earlier than the moment itself.
func ttl(t time.Time) types.AttributeValue { return number(t.Add(time.Second - 1).Unix()) }

// The getters return the zero value for an attribute that is absent.

func textOf(it item, name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func numberOf(it item, name string) int64 {
	n, _ := optionalNumber(it, name)
	return n
}

func optionalNumber(it item, name string) (n int64, ok bool) {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	return n, err == nil
}

func binaryOf(it item, name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func booleanOf(it item, name string) bool {
	v, ok := it[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func timeOf(it item, name string) time.Time {
	ms, ok := optionalNumber(it, name)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// setText leaves an empty text out.
func setText(it item, name, s string) {
	if s != "" {
		it[name] = text(s)
	}
}

// setTime leaves a zero time out.
func setTime(it item, name string, t time.Time) {
	if !t.IsZero() {
		it[name] = millis(t)
	}
}

// gone tells whether an item is past its time, though DynamoDB may not have removed it yet.
func gone(it item, now time.Time) bool {
	at, ok := optionalNumber(it, expiresAt)
	return ok && at <= now.Unix()
}

// names are placeholders for attributes, "#name" for each name given: many names are reserved words in expressions.
func names(attributes ...string) map[string]string {
	placeholders := make(map[string]string, len(attributes))
	for _, name := range attributes {
		placeholders["#"+name] = name
	}
	return placeholders
}

// sortKeyOf is the rest of an item's sort key after the prefix.
func sortKeyOf(it item, prefix string) string { return strings.TrimPrefix(textOf(it, sortKey), prefix) }
