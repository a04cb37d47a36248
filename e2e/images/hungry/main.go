// Command hungry is a service that takes memory until there is none left for it.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	go func() {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+os.Getenv("PORT"), nil))
		os.Exit(1)
	}()
	fmt.Println("reading all orders into memory")
	var orders [][]byte
	for {
		order := make([]byte, 16<<20)
		for i := range order {
			order[i] = 1
		}
		orders = append(orders, order)
	}
}
