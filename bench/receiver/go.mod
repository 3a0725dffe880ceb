module tocsin/bench/receiver

go 1.21
