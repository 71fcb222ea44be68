"""The execution environments of valgrind: memcheck, helgrind, drd, callgrind, massif and dhat."""
