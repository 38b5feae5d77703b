package redisconn

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// harmless is what may be told of an error: of an answer of Redis's only its code, such as OOM or NOAUTH, because the
// rest may quote what was sent.
func harmless(err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return err
	}
	code, _, _ := strings.Cut(answer.Error(), " ")
	return errors.New(code)
}
