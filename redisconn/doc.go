// Package redisconn is a connection to a Redis that its users can do without: a call is bounded in time, and after a
// failure calls return at once until a probe has found Redis well again. It is a package of its own beside limit and
// store because both use it and neither may know the other; server makes one Conn and gives it to both.
package redisconn
