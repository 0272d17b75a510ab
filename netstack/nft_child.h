/*
 * nft_child.h - nft(8) as a child that is told what to do, and the cleaner
 *
 * No call waits for ever for a child: one that is stopped, or does not read what it
 * is told, is killed. Signals to all of a service, or of a terminal, are not for
 * them: they end with us, or by us.
 */
#ifndef NETSTACK_NFT_CHILD_H
#define NETSTACK_NFT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct nft_child - A child that reads from us
 * @pid:	0: none, or it has ended
 * @in:	Its standard input, which never blocks us; it breaks (POLLERR) when
 *		the child ends. -1: none
 * @says:	Its standard error; -1: not listened to
 * @outlives:	It stays when we are killed
 */
struct nft_child {
	pid_t pid;
	int in, says;
	bool outlives;
};

#define NFT_CHILD_NONE ((struct nft_child){ .in = -1, .says = -1 })

/* In the environment of an nft that outlives us: whose it is */
#define NFT_CHILD_MARK "CULVERT_KEEPS"

/*
 * Start `nft -i`. It ends with us, or, if it @outlives us, when nft_child_end() or
 * another culvert ends it (nft_guard.c). 0 or -errno; @c was none
 */
int nft_child_start(struct nft_child *c, bool outlives);
/*
 * A shell that outlives us and then removes the table @direct, and @table unless
 * it is NULL; nft_child_end() lets it do neither. 0 or -errno; @c was none
 */
int nft_child_cleaner(struct nft_child *c, const char *direct,
		      const char *table);
bool nft_child_lives(struct nft_child *c);
/**
 * nft_child_tell() - Write to a child, and see that it reads
 * @limit_ms:	For all of it: the child is killed then
 *
 * Return: 0 when it has been read, -ETIMEDOUT, other -errno
 */
int nft_child_tell(struct nft_child *c, const char *text, size_t n,
		   int limit_ms);
/* Take off and log what it has said; true: of an error */
bool nft_child_complains(struct nft_child *c);
/* Kill it, if it is there */
void nft_child_end(struct nft_child *c);
/* One `nft -f -` for @text. 0, -ENOENT: there is no nft, other -errno */
int nft_run(const char *text, int limit_ms);

#endif
