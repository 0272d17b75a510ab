/* test_vision.c - Vision: frames, what is seen of the stream within, where it ends */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/wire/vision.h"
#include "tests/unit/cm.h"
#include "tests/unit/inner_tls.h"

static const uint8_t id[VISION_ID_BYTES] = "0123456789abcde";

static void look_both(struct vision_look *l, uint16_t suite)
{
	uint8_t p[512];
	size_t n = client_hello(p);

	vision_look_init(l);
	vision_look_at(l, p, n);
	assert_true(l->tls && !l->tls12 && !l->direct);
	n = server_hello(p, suite);
	vision_look_at(l, p, n);
}

static void hellos_are_seen(void **state)
{
	struct vision_look l;

	(void)state;
	for (uint16_t suite = 0x1301; suite <= 0x1306; suite++) {
		look_both(&l, suite);
		assert_true(l.tls12);
		assert_int_equal(l.left, 0);
		assert_int_equal(l.direct, suite <= 0x1304);
	}
	look_both(&l, 0);
	assert_true(l.tls12 && !l.direct);
	assert_int_equal(l.left, 0);
}

static void a_cut_server_hello_is_seen(void **state)
{
	struct vision_look l;
	uint8_t p[512];
	size_t n = server_hello(p, 0x1301);

	(void)state;
	for (size_t cut = 79; cut < n; cut++) {
		vision_look_init(&l);
		vision_look_at(&l, p, cut);
		if (l.left)
			vision_look_at(&l, p + cut, n - cut);
		/* an extension cut in two is not found, as by others */
		assert_int_equal(l.direct, cut <= 90 || cut >= 96);
		assert_int_equal(l.left, 0);
	}
}

static void eight_pieces_are_looked_at(void **state)
{
	struct vision_look l;

	(void)state;
	vision_look_init(&l);
	for (int i = 0; i < 20; i++)
		vision_look_at(&l, (const uint8_t *)"GET / HTTP", 10);
	assert_int_equal(l.left, 0);
	assert_false(l.tls);
	vision_look_at(&l, NULL, 0);
}

static ssize_t frame(struct vision_tx *tx, enum vision_command c, bool longer,
		     const char *text, uint32_t dice, uint8_t *out)
{
	struct vision_piece f = { c, longer, dice, (const uint8_t *)text,
				  strlen(text) };

	return vision_frame(tx, &f, out, VISION_FRAME_MAX);
}

static void frames_are_laid_out(void **state)
{
	uint8_t out[VISION_FRAME_MAX];
	struct vision_tx tx;

	(void)state;
	vision_tx_init(&tx, id);
	assert_int_equal(
		frame(&tx, VISION_CONTINUE, false, "abc", 256 + 7, out),
		16 + 5 + 3 + 7);
	assert_memory_equal(out, id, 16);
	assert_memory_equal(out + 16, "\0\0\3\0\7abc\0\0\0\0\0\0\0", 15);
	assert_int_equal(frame(&tx, VISION_DIRECT, true, "abc", 499, out),
			 5 + 900 + 499);
	assert_memory_equal(out, "\2\0\3", 3);
	assert_int_equal(tx.done, VISION_DIRECT);
	vision_tx_init(&tx, id);
	assert_int_equal(frame(&tx, VISION_END, true, "", 500, out),
			 16 + 5 + 900);
	struct vision_piece f = { .command = VISION_END,
				  .longer = true,
				  .dice = 500 };
	for (size_t room = 0; room < 921; room += 13) {
		vision_tx_init(&tx, id);
		assert_int_equal(vision_frame(&tx, &f, out, room), -ENOBUFS);
		assert_true(tx.first);
	}
}

static void padding_is_as_long_as_asked_for(void **state)
{
	uint8_t out[VISION_FRAME_MAX];
	struct vision_tx tx;

	(void)state;
	vision_tx_init(&tx, id);
	tx.first = false;
	tx.seed = (struct vision_seed){ 4, 10, 100, 7 };
	assert_int_equal(frame(&tx, VISION_CONTINUE, true, "abc", 19, out),
			 5 + 100 + 9);
	assert_int_equal(frame(&tx, VISION_CONTINUE, true, "abcd", 19, out),
			 5 + 4 + 5);
	assert_int_equal(frame(&tx, VISION_CONTINUE, false, "abc", 7, out),
			 5 + 3);
	tx.seed = (struct vision_seed){ 4, 1, 2, 7 }; /* less than there is */
	assert_int_equal(frame(&tx, VISION_CONTINUE, true, "abc", 19, out),
			 5 + 3);
	tx.seed = (struct vision_seed){ INT32_MAX, INT32_MAX, INT32_MAX, 1 };
	assert_int_equal(
		frame(&tx, VISION_CONTINUE, true, "abc", UINT32_MAX, out),
		5 + VISION_CONTENT_MAX);
}

/* true: @text is a seed; *@complaints of it */
static bool seed(const char *text, struct vision_seed *out, bool *complaints)
{
	struct diag d;
	struct jdoc *doc;
	struct jobj o;
	bool is;

	diag_init(&d);
	doc = jdoc_parse(&d, "c", text, strlen(text));
	assert_non_null(doc);
	assert_true(j_open(&o, &d, doc->root));
	is = vision_seed_parse(&o, "testseed", out);
	*complaints = d.errors > 0;
	diag_free(&d);
	return is;
}

static void lengths_of_padding_are_read(void **state)
{
	static const char *const wrong[] = { "[900,0,900,256]",
					     "[900,500,900,0]",
					     "[-1,500,900,256]",
					     "[1.5,500,900,256]",
					     "[900,500,900,2147483648]",
					     "[900,\"500\",900,256]",
					     "{}" };
	struct vision_seed s = vision_seed_usual;
	char text[80];
	bool complaints;

	(void)state;
	assert_true(seed("{\"testseed\":[0,1,0,1,5]}", &s, &complaints));
	assert_false(complaints);
	assert_true(!s.limit && s.range == 1 && !s.least && s.few == 1);
	assert_false(seed("{\"testseed\":[1,2,3]}", &s, &complaints));
	assert_false(complaints || s.limit);
	assert_false(seed("{}", &s, &complaints) || complaints);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), "{\"testseed\":%s}", wrong[i]);
		assert_false(seed(text, &s, &complaints));
		assert_true(complaints);
	}
}

static void the_largest_frame_fits(void **state)
{
	static uint8_t p[VISION_CONTENT_MAX], out[VISION_FRAME_MAX];
	struct vision_tx tx;

	(void)state;
	for (uint32_t dice = 0; dice < 512; dice++) {
		vision_tx_init(&tx, id);
		struct vision_piece f = { VISION_CONTINUE, true, dice, p,
					  sizeof(p) };

		assert_int_equal(vision_frame(&tx, &f, out, sizeof(out)),
				 VISION_FRAME_MAX);
	}
}

static void frames_come_in_any_pieces(void **state)
{
	uint8_t all[4096], buf[4096];
	struct vision_tx tx;
	size_t n = 0;

	(void)state;
	vision_tx_init(&tx, id);
	n += (size_t)frame(&tx, VISION_CONTINUE, true, "one", 3, all);
	n += (size_t)frame(&tx, VISION_CONTINUE, false, "", 0, all + n);
	n += (size_t)frame(&tx, VISION_END, false, "two", 9, all + n);
	for (size_t piece = 1; piece < n; piece++) {
		struct vision_rx rx;
		char got[16] = "";
		size_t used;

		vision_rx_init(&rx, id);
		for (size_t at = 0; at < n; at += piece) {
			size_t k = piece < n - at ? piece : n - at;
			ssize_t c;

			memcpy(buf, all + at, k);
			c = vision_unframe(&rx, buf, k, &used);
			assert_true(c >= 0);
			assert_int_equal(used, k);
			strncat(got, (char *)buf, (size_t)c);
		}
		assert_string_equal(got, "onetwo");
		assert_int_equal(rx.done, VISION_END);
	}
}

static void what_is_behind_the_last_frame_stays(void **state)
{
	uint8_t p[] = "0123456789abcde\0\2\0\1\0\2x..behind";
	struct vision_rx rx;
	size_t used;

	(void)state;
	vision_rx_init(&rx, id);
	assert_int_equal(vision_unframe(&rx, p, sizeof(p) - 1, &used), 1);
	assert_int_equal(used, 24);
	assert_int_equal(p[0], 'x');
	assert_memory_equal(p + used, "behind", 6);
	assert_int_equal(rx.done, VISION_DIRECT);
	assert_int_equal(vision_unframe(&rx, p, 6, &used), 0);
	assert_int_equal(used, 0);
}

static void others_are_refused(void **state)
{
	uint8_t other[] = "0123456789abcdX",
		odd[] = "0123456789abcde\0\3\0\0\0\0";
	struct vision_rx rx;
	size_t used;

	(void)state;
	vision_rx_init(&rx, id);
	assert_int_equal(vision_unframe(&rx, other, 16, &used), -EPROTO);
	vision_rx_init(&rx, id);
	assert_int_equal(vision_unframe(&rx, odd, 21, &used), -EPROTO);
}

static void tls13_goes_direct_at_a_border(void **state)
{
	static uint8_t p[40000];
	struct vision_look l;
	struct vision_tx tx;
	enum vision_command command;
	size_t ccs, data, all;

	(void)state;
	look_both(&l, 0x1301);
	vision_tx_init(&tx, id);
	ccs = rec(p, 0x14, 1);
	data = ccs + rec(p + ccs, 0x17, 60);
	all = data + rec(p + data, 0x17, 500);
	assert_int_equal(vision_plan(&tx, &l, p, 4, &command), 4);
	assert_int_equal(command, VISION_CONTINUE);
	assert_int_equal(vision_plan(&tx, &l, p + 4, all - 4, &command),
			 data - 4);
	assert_int_equal(command, VISION_DIRECT);
	/* one longer than a frame: only its end will do */
	vision_tx_init(&tx, id);
	all = rec(p, 0x17, 16000);
	all += rec(p + all, 0x17, 9);
	assert_int_equal(vision_plan(&tx, &l, p, all, &command),
			 VISION_CONTENT_MAX);
	assert_int_equal(command, VISION_CONTINUE);
	assert_int_equal(vision_plan(&tx, &l, p + VISION_CONTENT_MAX,
				     all - VISION_CONTENT_MAX, &command),
			 16005 - VISION_CONTENT_MAX);
	assert_int_equal(command, VISION_DIRECT);
}

static void others_end_within(void **state)
{
	uint8_t p[100];
	size_t n = rec(p, 0x17, 60);
	enum vision_command command = VISION_CONTINUE;
	struct vision_look l;
	struct vision_tx tx;

	(void)state;
	look_both(&l, 0);
	vision_tx_init(&tx, id);
	assert_int_equal(vision_plan(&tx, &l, p, n, &command), n);
	assert_int_equal(command, VISION_END);
	vision_look_init(&l);
	vision_tx_init(&tx, id);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(command, i ? VISION_CONTINUE : VISION_END);
		vision_look_at(&l, (const uint8_t *)"hello", 5);
		vision_plan(&tx, &l, (const uint8_t *)"hello", 5, &command);
	}
	assert_int_equal(command, VISION_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hellos_are_seen),
		cmocka_unit_test(a_cut_server_hello_is_seen),
		cmocka_unit_test(eight_pieces_are_looked_at),
		cmocka_unit_test(frames_are_laid_out),
		cmocka_unit_test(padding_is_as_long_as_asked_for),
		cmocka_unit_test(lengths_of_padding_are_read),
		cmocka_unit_test(the_largest_frame_fits),
		cmocka_unit_test(frames_come_in_any_pieces),
		cmocka_unit_test(what_is_behind_the_last_frame_stays),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(tls13_goes_direct_at_a_border),
		cmocka_unit_test(others_end_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
