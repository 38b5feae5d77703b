package dynamodb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/triggers-api/triggers/store"
)

// remedy is what mends a table that is not as it should be.
const remedy = `run "triggers migrate" with a role that may create it`

// failed turns what the SDK returned into the store's errors, by error code.
func (t table) failed(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	operation := "request"
	if o, ok := errors.AsType[*smithy.OperationError](err); ok {
		operation = o.Operation()
	}
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return failedTransaction(operation, cancelled)
	}
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		// No answer: no connection, no credentials, the deadline.
		return fmt.Errorf("dynamodb: %w: %w", store.ErrUnavailable, err)
	}
	switch code := answer.ErrorCode(); code {
	case (*types.ResourceNotFoundException)(nil).ErrorCode():
		return fmt.Errorf("dynamodb: %w: there is no table %s: %s", store.ErrSchema, t.name, remedy)
	case codeInvalid, "SerializationException":
		// A mistake of this program's. The message may quote what was sent, so it is left out.
		return fmt.Errorf("dynamodb: %s: %s", operation, code)
	default:
		return fmt.Errorf("dynamodb: %w: %s: %s: %s", store.ErrUnavailable, operation, code, answer.ErrorMessage())
	}
}

// failedTransaction names the reasons and not the messages, which may quote what was sent.
func failedTransaction(operation string, cancelled *types.TransactionCanceledException) error {
	var codes []string
	mistake := false
	for _, reason := range cancelled.CancellationReasons {
		code := aws.ToString(reason.Code)
		mistake = mistake || code == "ValidationError"
		if code != reasonNone {
			codes = append(codes, code)
		}
	}
	if mistake {
		return fmt.Errorf("dynamodb: %s: %s", operation, strings.Join(codes, ", "))
	}
	return fmt.Errorf("dynamodb: %w: %s: cancelled: %s", store.ErrUnavailable, operation, strings.Join(codes, ", "))
}

// Codes of answers that the SDK has no types for.
const (
	codeDenied  = "AccessDeniedException"
	codeInvalid = "ValidationException"
)

// codeOf is the code of the answer; empty if there was none, or no error.
func codeOf(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}
