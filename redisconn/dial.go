package redisconn

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// dialer never fails: what cannot be reached becomes a connection that fails when it is used. After some failures the
// library would dial on by itself, in a goroutine that outlives its Close.
func dialer(opts *redis.Options) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := redis.NewDialer(opts)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			end, _ := net.Pipe()
			return unreachable{Conn: end, cause: err}, nil //nolint:nilerr // it is told when the connection is used
		}
		return conn, nil
	}
}

// unreachable is a connection that could not be made.
type unreachable struct {
	net.Conn
	cause error
}

func (u unreachable) Read([]byte) (int, error)  { return 0, u.cause }
func (u unreachable) Write([]byte) (int, error) { return 0, u.cause }
