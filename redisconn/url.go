package redisconn

import "github.com/redis/go-redis/v9"

// CheckURL returns ErrMalformedURL unless the text is the URL of a Redis.
func CheckURL(url string) error {
	if _, err := redis.ParseURL(url); err != nil {
		return ErrMalformedURL
	}
	return nil
}
