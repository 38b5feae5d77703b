package dynamodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	// firstBackoff is the longest wait before the second attempt; it doubles with each further one up to maxBackoff.
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = time.Second
)

// newRetryer tries again until the operation's deadline whatever may pass: throttling, faults of the service, lost
// connections, conflicts of transactions. The SDK's own retryer gives up after three attempts, and has a quota of
// retries for the whole client: one tenant's hot partition would use it up, and everybody else's first conflict would
// then be final.
func newRetryer() aws.Retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return backoff(attempt), nil
		})
		o.Retryables = append(o.Retryables,
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
					return aws.BoolTernary(passing(cancelled))
				}
				return aws.UnknownTernary
			}),
			// A single write that meets a transaction.
			retry.RetryableErrorCode{Codes: map[string]struct{}{(*types.TransactionConflictException)(nil).ErrorCode(): {}}},
		)
	})
	return retry.AddWithMaxAttempts(standard, 0)
}

// passing tells whether a cancelled transaction can go through when sent again as it is.
func passing(cancelled *types.TransactionCanceledException) bool {
	retryable := false
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case reasonNone:
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			retryable = true
		default:
			return false
		}
	}
	return retryable
}

// What a reason for cancelling says, see TransactionCanceledException.
const (
	reasonNone      = "None"
	reasonCondition = "ConditionalCheckFailed"
)

// backoff is how long to wait before trying again after so many attempts: anything up to a bound that doubles, so that
// those that were refused together do not come back together.
func backoff(attempts int) time.Duration {
	bound := min(maxBackoff, firstBackoff<<min(attempts-1, 10))
	return rand.N(bound) //nolint:gosec // chance spreads load here and protects nothing
}

// pause waits before trying again what DynamoDB left undone. It returns the context's error when that ends first.
func pause(ctx context.Context, attempts int) error {
	timer := time.NewTimer(backoff(attempts))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
