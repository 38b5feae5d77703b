package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
)

// statusIndex lists a tenant's events by status and id. It has the names that lists filter by, which rarely make an
// entry cost more than its minimum of 1 KB, so that what a filter drops need not be read from the table; and the size of
// the payload, so that no more payloads are read than a page takes. Payloads themselves would double the price of a write.
const statusIndex = "status-index"

// schemaVersion is the version of the table that this program makes and needs.
const schemaVersion = 1

// The attributes of the item in schemaPartition.
const (
	heartbeatAttribute = "heartbeatAt"
	newestAttribute    = "newestImported" // the newest imported event that was ahead of the clock
)

const (
	// migrateTimeout bounds Migrate. DynamoDB makes a table within a minute.
	migrateTimeout = 5 * time.Minute
	// statusPause is how long Migrate waits before it looks again whether the table is ready.
	statusPause = 500 * time.Millisecond
)

// state is what the table says of itself.
type state struct {
	version int64 // 0 for a table that Migrate has not finished
	newest  store.EventID
}

// Migrate makes the table with its index and TTL, or finishes that, and waits until it can be used, five minutes at
// most. It returns the versions before and after, which are equal when there was nothing to do. It does not change a
// table that is there with another key or without the index, but returns store.ErrSchema.
func Migrate(ctx context.Context, opts Options) (from, to int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	t, client, err := connect(ctx, opts)
	if err != nil {
		return 0, 0, err
	}
	defer client.CloseIdleConnections()
	for {
		ready, err := t.migrateStep(ctx)
		if err != nil {
			return 0, 0, err
		}
		if ready {
			break
		}
		select {
		case <-ctx.Done():
			return 0, 0, t.failed(ctx.Err())
		case <-time.After(statusPause):
		}
	}
	before, err := t.state(ctx)
	if err != nil {
		return 0, 0, err
	}
	if before.version != 0 {
		return before.version, before.version, t.mismatch(before.version)
	}
	return 0, schemaVersion, t.markMigrated(ctx)
}

// migrateStep gives up where DynamoDB does not answer, long before a table that is being made would be ready.
func (t table) migrateStep(ctx context.Context) (ready bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return t.prepare(ctx, true)
}

// open finds out whether the table can be used, and makes it first if that is asked for.
func (t table) open(ctx context.Context, autoMigrate bool) (state, error) {
	ready, err := t.prepare(ctx, autoMigrate)
	if err != nil {
		return state{}, err
	}
	if !ready {
		return state{}, fmt.Errorf("dynamodb: %w: table %s or its index is being made", store.ErrUnavailable, t.name)
	}
	current, err := t.state(ctx)
	if err != nil {
		return state{}, err
	}
	if current.version == 0 && autoMigrate {
		if err := t.markMigrated(ctx); err != nil {
			return state{}, err
		}
		current.version = schemaVersion
	}
	return current, t.mismatch(current.version)
}

// prepare makes what is missing, if that is asked for, and tells whether the table is ready.
func (t table) prepare(ctx context.Context, migrate bool) (ready bool, err error) {
	out, err := t.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: t.ref()})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing && migrate {
		return false, t.create(ctx)
	}
	if err != nil {
		return false, t.failed(err)
	}
	switch out.Table.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating:
	case types.TableStatusCreating:
		return false, nil
	default:
		return false, fmt.Errorf("dynamodb: %w: table %s is %s", store.ErrUnavailable, t.name, out.Table.TableStatus)
	}
	index, err := t.shape(out.Table)
	if err != nil {
		return false, err
	}
	switch index.IndexStatus {
	case types.IndexStatusCreating:
		return false, nil
	case types.IndexStatusDeleting:
		return false, t.schemaError("its index %s is being deleted", statusIndex)
	case types.IndexStatusActive, types.IndexStatusUpdating:
	}
	return true, t.prepareTTL(ctx, migrate)
}

// shape returns store.ErrSchema naming what the table lacks, or its index.
func (t table) shape(d *types.TableDescription) (types.GlobalSecondaryIndexDescription, error) {
	var none types.GlobalSecondaryIndexDescription
	if !hasKey(d.KeySchema, d.AttributeDefinitions, partitionKey, sortKey) {
		return none, t.schemaError("its key is not %s and %s, both strings: name another table", partitionKey, sortKey)
	}
	i := slices.IndexFunc(d.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool {
		return aws.ToString(g.IndexName) == statusIndex
	})
	if i < 0 {
		return none, t.schemaError("it has no index %s: add it, or name another table", statusIndex)
	}
	index := d.GlobalSecondaryIndexes[i]
	if !hasKey(index.KeySchema, d.AttributeDefinitions, partitionKey, placeAttribute) {
		return none, t.schemaError("the key of its index %s is not %s and %s, both strings", statusIndex, partitionKey, placeAttribute)
	}
	if p := index.Projection; p != nil && p.ProjectionType != types.ProjectionTypeAll {
		for _, name := range projected {
			if !slices.Contains(p.NonKeyAttributes, name) {
				return none, t.schemaError("its index %s does not have %s", statusIndex, name)
			}
		}
	}
	return index, nil
}

func (t table) schemaError(format string, args ...any) error {
	return fmt.Errorf("dynamodb: %w: table %s: %s", store.ErrSchema, t.name, fmt.Sprintf(format, args...))
}

// projected are the attributes of an event that the index has beside the keys.
var projected = []string{sourceAttribute, typeAttribute, topicAttribute, sizeAttribute}

func hasKey(key []types.KeySchemaElement, attributes []types.AttributeDefinition, hash, sort string) bool {
	isText := func(name string) bool {
		return slices.ContainsFunc(attributes, func(a types.AttributeDefinition) bool {
			return aws.ToString(a.AttributeName) == name && a.AttributeType == types.ScalarAttributeTypeS
		})
	}
	return len(key) == 2 && aws.ToString(key[0].AttributeName) == hash && aws.ToString(key[1].AttributeName) == sort &&
		isText(hash) && isText(sort)
}

func keySchema(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
	}
}

func (t table) create(ctx context.Context) error {
	var attributes [3]types.AttributeDefinition
	for i, name := range [...]string{partitionKey, sortKey, placeAttribute} {
		attributes[i] = types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	_, err := t.api.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: t.ref(), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: attributes[:], KeySchema: keySchema(partitionKey, sortKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(statusIndex), KeySchema: keySchema(partitionKey, placeAttribute),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: projected},
		}},
	})
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return nil // another instance was quicker
	}
	if codeOf(err) == codeDenied {
		return t.schemaError("it is not there, and may not be made by this role: %s", remedy)
	}
	return t.failed(err)
}

// prepareTTL has DynamoDB remove what expires.
func (t table) prepareTTL(ctx context.Context, migrate bool) error {
	out, err := t.api.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: t.ref()})
	if err != nil {
		return t.failed(err)
	}
	switch d := out.TimeToLiveDescription; {
	case d == nil || d.TimeToLiveStatus == types.TimeToLiveStatusDisabled:
	case d.TimeToLiveStatus == types.TimeToLiveStatusDisabling:
		return fmt.Errorf("dynamodb: %w: TTL of table %s is being disabled", store.ErrUnavailable, t.name)
	case aws.ToString(d.AttributeName) != expiresAt:
		return t.schemaError("its TTL attribute is not %s", expiresAt)
	default:
		return nil
	}
	if !migrate {
		return t.schemaError("TTL by %s is not enabled: %s", expiresAt, remedy)
	}
	_, err = t.api.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: t.ref(),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(expiresAt), Enabled: aws.Bool(true),
		},
	})
	switch {
	case codeOf(err) == codeDenied:
		return t.schemaError("TTL by %s is not enabled, and may not be by this role: %s", expiresAt, remedy)
	case codeOf(err) == codeInvalid:
		return fmt.Errorf("dynamodb: %w: TTL of table %s cannot be enabled: it was changed within the last hour, or is being changed",
			store.ErrUnavailable, t.name)
	}
	return t.failed(err)
}

// state reads what version the table is.
func (t table) state(ctx context.Context) (state, error) {
	it, err := t.get(ctx, schemaPartition, only)
	if err != nil || it == nil {
		return state{}, err
	}
	current := state{version: numberOf(it, versionAttribute)}
	if s := textOf(it, newestAttribute); s != "" {
		if current.newest, err = store.ParseEventID(s); err != nil {
			return state{}, fmt.Errorf("dynamodb: the newest imported event has a broken id: %w", err)
		}
	}
	return current, nil
}

// markMigrated notes that the table is of this program's version.
func (t table) markMigrated(ctx context.Context) error {
	it := key(schemaPartition, only)
	it[versionAttribute] = number(schemaVersion)
	refused, err := t.change(ctx, types.TransactWriteItem{Put: &types.Put{
		TableName: t.ref(), Item: it, ConditionExpression: aws.String(ifAbsent),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}})
	if refused != nil { // another instance was quicker
		return t.mismatch(numberOf(refused[0].Item, versionAttribute))
	}
	return err
}

// mismatch returns store.ErrSchema unless the version is this program's.
func (t table) mismatch(version int64) error {
	switch {
	case version > schemaVersion:
		return t.schemaError("it has version %d, this program knows %d: run a newer version of triggers", version, schemaVersion)
	case version < schemaVersion:
		return t.schemaError(`it has version %d, this program needs %d: run "triggers migrate"`, version, schemaVersion)
	}
	return nil
}

// Check implements store.Store. It writes to the item that has the version, if that is as expected.
func (s *Store) Check(ctx context.Context) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.ref(), Key: key(schemaPartition, only),
		UpdateExpression:                    aws.String("SET " + heartbeatAttribute + " = :now"),
		ConditionExpression:                 aws.String("#version = :version"),
		ExpressionAttributeNames:            names(versionAttribute),
		ExpressionAttributeValues:           item{":now": millis(time.Now()), ":version": number(schemaVersion)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return s.mismatch(numberOf(refused.Item, versionAttribute))
	}
	return s.failed(err)
}
