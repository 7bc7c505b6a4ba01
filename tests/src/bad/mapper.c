/* Maps a file as a library would be, whatever is in it, and stays: mapper FILE */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_NONBLOCK) : -1;
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	printf("%s\n", at == MAP_FAILED ? "NOT MAPPED" : "MAPPED");
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}
