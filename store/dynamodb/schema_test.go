package dynamodb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
)

// raw is a client of the table itself.
func raw(t *testing.T, opts dynamodb.Options) *sdk.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(opts.Region))
	if err != nil {
		t.Fatal(err)
	}
	return sdk.NewFromConfig(cfg, func(o *sdk.Options) {
		o.BaseEndpoint = &opts.Endpoint
		o.HTTPClient = client(t)
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.AutoMigrate = false
	wantSchema := func(err error, detail string) {
		t.Helper()
		if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), detail) {
			t.Fatalf("%v, want %q", err, detail)
		}
	}
	_, err := dynamodb.Open(t.Context(), opts)
	wantSchema(err, `run "triggers migrate"`)
	for _, want := range []int64{0, 1} {
		if from, to, err := dynamodb.Migrate(t.Context(), opts); from != want || to != 1 || err != nil {
			t.Fatalf("from %d to %d: %v", from, to, err)
		}
	}
	s := open(t, opts)
	version := func(n string) {
		t.Helper()
		_, err := raw(t, opts).UpdateItem(t.Context(), &sdk.UpdateItemInput{
			TableName: &opts.Table, Key: map[string]types.AttributeValue{
				"tenantId": &types.AttributeValueMemberS{Value: " schema"}, "eventId": &types.AttributeValueMemberS{Value: "-"},
			},
			UpdateExpression: aws.String("SET version = :n"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":n": &types.AttributeValueMemberN{Value: n},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Another program migrates on while this one runs.
	version("2")
	wantSchema(s.Check(t.Context()), "has version 2, this program knows 1")
	_, err = dynamodb.Open(t.Context(), opts)
	wantSchema(err, "run a newer version of triggers")
	_, _, err = dynamodb.Migrate(t.Context(), opts)
	wantSchema(err, "run a newer version of triggers")
	version("1")
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenErrSchema(t *testing.T) {
	t.Parallel()
	text := func(names ...string) (attributes []types.AttributeDefinition) {
		for _, name := range names {
			attributes = append(attributes, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
		}
		return attributes
	}
	key := func(names ...string) (key []types.KeySchemaElement) {
		for i, name := range names {
			key = append(key, types.KeySchemaElement{AttributeName: aws.String(name), KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
		}
		return key
	}
	for name, c := range map[string]struct {
		table sdk.CreateTableInput
		want  string
	}{
		"Key":   {sdk.CreateTableInput{AttributeDefinitions: text("id"), KeySchema: key("id")}, "its key is not tenantId and eventId"},
		"Index": {sdk.CreateTableInput{AttributeDefinitions: text("tenantId", "eventId"), KeySchema: key("tenantId", "eventId")}, "no index status-index"},
		"Projection": {sdk.CreateTableInput{
			AttributeDefinitions: text("tenantId", "eventId", "status_createdAt"), KeySchema: key("tenantId", "eventId"),
			GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
				IndexName: aws.String("status-index"), KeySchema: key("tenantId", "status_createdAt"),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
			}},
		}, "does not have source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			c.table.TableName, c.table.BillingMode = &opts.Table, types.BillingModePayPerRequest
			if _, err := raw(t, opts).CreateTable(t.Context(), &c.table); err != nil {
				t.Fatal(err)
			}
			s, err := dynamodb.Open(t.Context(), opts)
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Retention and keys become the table's TTL, in seconds, never earlier than the moment itself.
func TestTTL(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Retention = func(string) time.Duration { return 48 * time.Hour }
	s := open(t, opts)
	receipts, err := s.Append(t.Context(), tenant, []store.NewEvent{event(`{"x":"`+strings.Repeat("x", 400_000)+`"}`, "k")})
	if err != nil {
		t.Fatal(err)
	}
	id := receipts[0].ID
	for sort, least := range map[string]time.Time{
		id.String():                  id.Time().Add(48 * time.Hour),
		"part#" + id.String() + "#1": id.Time().Add(48 * time.Hour),
		"key#k":                      id.Time().Add(time.Hour),
	} {
		out, err := raw(t, opts).GetItem(t.Context(), &sdk.GetItemInput{TableName: &opts.Table, Key: map[string]types.AttributeValue{
			"tenantId": &types.AttributeValueMemberS{Value: tenant}, "eventId": &types.AttributeValueMemberS{Value: sort},
		}})
		if err != nil {
			t.Fatal(err)
		}
		n, ok := out.Item["expiresAt"].(*types.AttributeValueMemberN)
		if !ok {
			t.Fatalf("%s has no expiresAt", sort)
		}
		at, err := time.ParseDuration(n.Value + "s")
		if got := time.Unix(0, 0).Add(at); err != nil || got.Before(least) || got.After(least.Add(10*time.Second)) {
			t.Errorf("%s expires at %s, want %s", sort, got, least)
		}
	}
	// What is past its time is gone, though DynamoDB has not removed it yet.
	past := store.Event{ID: store.FirstEventID(time.Now().Add(-72 * time.Hour)), Status: store.Pending, Payload: []byte(`{}`)}
	if err := s.Import(t.Context(), tenant, []store.Event{past}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Event(t.Context(), tenant, past.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	got, err := s.Acknowledge(t.Context(), tenant, []store.EventID{past.ID})
	if err != nil || !errors.Is(got[0].Err, store.ErrNotFound) {
		t.Errorf("%+v %v", got, err)
	}
	page, err := s.List(t.Context(), store.ListParams{TenantID: tenant, Status: store.Pending, Limit: 10})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != id {
		t.Errorf("%+v %v", page, err)
	}
}
