package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
)

const (
	// attemptTimeout bounds one request to DynamoDB, which answers within milliseconds when all is well, so that a
	// connection that stalls leaves time for another attempt.
	attemptTimeout = 5 * time.Second
	// dialTimeout bounds making a connection.
	dialTimeout = 2 * time.Second
	// idleConnections are kept for the next burst; the SDK would keep ten.
	idleConnections = 256
)

// connect makes a client. It talks to nobody yet. The caller closes the idle connections of the HTTP client in the end.
func connect(ctx context.Context, opts Options) (table, *http.Client, error) {
	if opts.Table == "" {
		return table{}, nil, errors.New("dynamodb: no table is named")
	}
	// The SDK's own log goes to standard error and says of each attempt what errors say once.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(opts.Region), config.WithLogger(logging.Nop{}))
	if err != nil {
		return table{}, nil, fmt.Errorf("dynamodb: %w", err)
	}
	if cfg.Region == "" {
		return table{}, nil, errors.New("dynamodb: no region is named: set AWS_REGION")
	}
	// The configured client knows the environment's certificate authorities (AWS_CA_BUNDLE). Its transport is taken out,
	// because the SDK has no way to close its connections.
	base, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	transport := base.WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).GetTransport()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = idleConnections, idleConnections
	client := &http.Client{Transport: transport, Timeout: attemptTimeout}
	api := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.HTTPClient = client
		o.Retryer = newRetryer()
		if opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(opts.Endpoint)
		}
	})
	return table{api: api, name: opts.Table}, client, nil
}
