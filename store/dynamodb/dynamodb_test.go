package dynamodb_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/store/dynamodb"
	"github.com/triggers-api/triggers/store/storetest"
	"github.com/triggers-api/triggers/tests/harness"
)

func TestMain(m *testing.M) {
	// The SDK looks for credentials; the test server takes any. It is not to find those of whoever runs the tests.
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(harness.Tests{M: m})
}

const tenant = "tenant_a"

// options are those of a table that is not there yet.
func options(t *testing.T) dynamodb.Options {
	t.Helper()
	return dynamodb.Options{
		Region: "eu-central-1", Endpoint: harness.SharedAWS(t).Endpoint, IdempotencyTTL: time.Hour, AutoMigrate: true,
		// A name that only this test has.
		Table: strings.TrimPrefix(store.NewID("t_"), "t_"),
	}
}

// open opens a store that is closed when the test ends, making its table if need be.
func open(t *testing.T, opts dynamodb.Options) *dynamodb.Store {
	t.Helper()
	var s *dynamodb.Store
	harness.Eventually(t, 20*time.Second, "the table to be made", func() error {
		var err error
		s, err = dynamodb.Open(t.Context(), opts)
		return err
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	configure := func(t *testing.T, opts storetest.Options) dynamodb.Options {
		t.Helper()
		o := options(t)
		o.IdempotencyTTL = opts.IdempotencyTTL
		return o
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T, opts storetest.Options) store.Store {
			t.Helper()
			return open(t, configure(t, opts))
		},
		Instances: func(t *testing.T, opts storetest.Options, n int) []store.Store {
			t.Helper()
			shared := configure(t, opts)
			stores := make([]store.Store, n)
			for i := range stores {
				stores[i] = open(t, shared)
			}
			return stores
		},
	})
}
