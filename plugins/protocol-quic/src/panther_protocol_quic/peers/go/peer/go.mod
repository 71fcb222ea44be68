module panther.invalid/peer

go 1.25
