module tocsin/bench/sender

go 1.21
