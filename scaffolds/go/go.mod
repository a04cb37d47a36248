module service

go 1.25.0

require github.com/prometheus/client_golang v1.24.1

// scaffold:if database
require github.com/jackc/pgx/v5 v5.12.0

// scaffold:end
// scaffold:if cache
require github.com/redis/go-redis/v9 v9.22.0

// scaffold:end
require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	// scaffold:if database
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	// scaffold:end
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/prometheus/common v0.70.1 // indirect
	github.com/prometheus/procfs v0.21.1 // indirect
	// scaffold:if cache
	go.uber.org/atomic v1.11.0 // indirect
	// scaffold:end
	// scaffold:if database
	golang.org/x/sync v0.22.0 // indirect
	// scaffold:end
	golang.org/x/sys v0.47.0 // indirect
	// scaffold:if database
	golang.org/x/text v0.41.0 // indirect
	// scaffold:end
	google.golang.org/protobuf v1.36.11 // indirect
)
