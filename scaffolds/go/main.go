// Command __NAME__ is an HTTP service of team __TEAM__.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	name        = "__NAME__"
	defaultPort = "__PORT__"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// shutdownTimeout is how long running requests may take to finish. Together with the drain time it stays
// below the 30 seconds after which Kubernetes kills the pod.
const shutdownTimeout = 20 * time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: logLevel(os.Getenv)})))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	if err := run(ctx, os.Getenv); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run opens what the service needs, serves until ctx ends and closes everything again.
func run(ctx context.Context, getenv func(string) string) error {
	drain, err := drainTime(getenv)
	if err != nil {
		return err
	}
	service := newService()
	// scaffold:if database

	database, err := openDatabase(getenv)
	if err != nil {
		return err
	}
	defer database.close()
	service.useDatabase(database)
	// scaffold:end
	// scaffold:if cache

	cache, err := openCache(getenv)
	if err != nil {
		return err
	}
	defer cache.close()
	service.useCache(cache)
	// scaffold:end

	port := getenv("PORT")
	if port == "" {
		port = defaultPort
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return fmt.Errorf("listen on port %s: %w", port, err)
	}
	slog.Info("listening", "service", name, "version", version, "address", listener.Addr().String())
	if err := serve(ctx, listener, service, drain); err != nil {
		return err
	}
	slog.Info("stopped")
	return nil
}

// drainTime is how long the service keeps answering after it was told to stop, so that load balancers
// notice first: DRAIN_SECONDS, by default 5.
func drainTime(getenv func(string) string) (time.Duration, error) {
	text := getenv("DRAIN_SECONDS")
	if text == "" {
		return 5 * time.Second, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("DRAIN_SECONDS must be a number of seconds, not %q", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// logLevel reads LOG_LEVEL: debug, info, warn or error.
func logLevel(getenv func(string) string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(getenv("LOG_LEVEL"))); err != nil {
		return slog.LevelInfo
	}
	return level
}
