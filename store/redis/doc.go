// Package redis remembers accepted idempotency keys in Redis, in front of the store that keeps them, so that a retry is
// answered without that store, also while it is down. What Redis forgets, or never heard of, the store still knows:
// losing Redis costs speed and never correctness. The package knows no engine.
package redis
