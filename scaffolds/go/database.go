// scaffold:file if database

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// database is the service's PostgreSQL.
type database struct {
	pool *pgxpool.Pool
}

// openDatabase prepares connections to DATABASE_URL or to the bound database. It does not wait for the
// server: until that answers the service is not ready.
func openDatabase(getenv func(string) string) (*database, error) {
	uri, err := address(getenv, "DATABASE_URL", "postgresql", "postgres")
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(uri)
	if err != nil {
		return nil, errors.New("the address of the database is not one that PostgreSQL understands")
	}
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &database{pool: pool}, nil
}

func (d *database) close() {
	d.pool.Close()
}

func (d *database) ping(ctx context.Context) error {
	return d.pool.Ping(ctx)
}

// serverVersion asks the server for its version.
func (d *database) serverVersion(ctx context.Context) (string, error) {
	var version string
	err := d.pool.QueryRow(ctx, "SELECT current_setting('server_version')").Scan(&version)
	return version, err
}

// useDatabase makes the service depend on d.
func (s *service) useDatabase(d *database) {
	s.checks = append(s.checks, check{name: "database", probe: d.ping})
	s.facts = append(s.facts, fact{name: "database", read: func(ctx context.Context) (any, error) {
		return d.serverVersion(ctx)
	}})
}
