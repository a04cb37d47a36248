// scaffold:file if cache

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// cache is the service's Redis.
type cache struct {
	client *redis.Client
}

// openCache prepares connections to CACHE_URL or to the bound cache. It does not wait for the server: until
// that answers the service is not ready.
func openCache(getenv func(string) string) (*cache, error) {
	uri, err := address(getenv, "CACHE_URL", "redis")
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(uri)
	if err != nil {
		return nil, errors.New("the address of the cache is not one that Redis understands")
	}
	redis.SetLogger(redisLogger{})
	options.DialTimeout = 2 * time.Second
	options.ReadTimeout = 2 * time.Second
	options.WriteTimeout = 2 * time.Second
	options.DialerRetries = 1
	options.ContextTimeoutEnabled = true
	return &cache{client: redis.NewClient(options)}, nil
}

func (c *cache) close() {
	_ = c.client.Close()
}

func (c *cache) ping(ctx context.Context) error {
	return c.client.Ping(ctx).Err()
}

// visit counts one more visit and returns how many there were.
func (c *cache) visit(ctx context.Context) (int64, error) {
	return c.client.Incr(ctx, name+":visits").Result()
}

// useCache makes the service depend on c.
func (s *service) useCache(c *cache) {
	s.checks = append(s.checks, check{name: "cache", probe: c.ping})
	s.facts = append(s.facts, fact{name: "visits", read: func(ctx context.Context) (any, error) {
		return c.visit(ctx)
	}})
}

// redisLogger brings the client's own messages into the service's log.
type redisLogger struct{}

func (redisLogger) Printf(ctx context.Context, format string, values ...any) {
	slog.WarnContext(ctx, fmt.Sprintf(format, values...))
}
