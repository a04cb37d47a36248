// Command hungry is a service that takes memory until there is none left for it.
package main

import "fmt"

func main() {
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
