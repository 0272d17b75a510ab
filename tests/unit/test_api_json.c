/* test_api_json.c - Answers of the API as JSON */
#include "tests/unit/cm.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/app/api_call.h"
#include "gateway/base/jget.h"

static const struct api_shape inner[] = {
	{ 1, "name", API_TEXT, false, NULL },
	{ 2, "value", API_NUMBER, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

static const struct api_shape shape[] = {
	{ 1, "one", API_MESSAGE, false, inner },
	{ 2, "many", API_MESSAGE, true, inner },
	{ 3, "map", API_MAP, false, NULL },
	{ 4, "typed", API_TYPED, false, NULL },
	{ 5, "ports", API_PORTS, false, NULL },
	{ 6, "host", API_HOST, false, NULL },
	{ 7, "yes", API_BOOL, false, NULL },
	{ 0, NULL, API_TEXT, false, NULL },
};

static void is(const void *p, size_t n, const char *want)
{
	cJSON *o = api_json(p, n, shape);
	char *text = cJSON_PrintUnformatted(o);

	assert_non_null(text);
	assert_string_equal(text, want);
	cJSON_free(text);
	cJSON_Delete(o);
}

#define IS(bytes, want) is(bytes, sizeof(bytes) - 1, want)

static void each_kind_has_its_form(void **state)
{
	(void)state;
	IS("", "{}");
	IS("\x0a\x05\x0a\x01n\x10\x07",
	   "{\"one\":{\"name\":\"n\",\"value\":7}}");
	IS("\x12\x02\x10\x01\x12\x02\x10\x02",
	   "{\"many\":[{\"value\":1},{\"value\":2}]}");
	/* more than a double has */
	IS("\x0a\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	   "{\"one\":{\"value\":18446744073709551615}}");
	IS("\x1a\x05\x0a\x01"
	   "a\x10\x05",
	   "{\"map\":{\"a\":5}}");
	IS("\x2a\x06\x0a\x04\x08\x50\x10\x50", "{\"ports\":80}");
	IS("\x2a\x0a\x0a\x04\x08\x01\x10\x03\x0a\x02\x08\x09",
	   "{\"ports\":\"1-3,9-0\"}");
	IS("\x32\x06\x0a\x04\x0a\x00\x00\x01", "{\"host\":\"10.0.0.1\"}");
	IS("\x32\x03\x12\x01"
	   "x",
	   "{\"host\":\"x\"}");
	IS("\x38\x01", "{\"yes\":true}");
}

static void a_typed_message_says_its_type(void **state)
{
	(void)state;
	IS("\x22\x20\x0a\x18xray.proxy.vless.Account\x12\x04\x0a\x02id",
	   "{\"typed\":{\"id\":\"id\",\"_TypedMessage_\":"
	   "\"xray.proxy.vless.Account\"}}");
	IS("\x22\x03\x0a\x01?", "{\"typed\":{\"_TypedMessage_\":\"?\"}}");
}

static void what_is_malformed_or_of_another_type_is_left_out(void **state)
{
	(void)state;
	IS("\x0a\x09\x0a\x01n", "{}"); /* longer than the message */
	IS("\x08\x05", "{}"); /* a number where a message belongs */
	IS("\x0a\x02\x0a\x09", "{\"one\":{}}");
	IS("\x48\x01", "{}"); /* not known */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_form),
		cmocka_unit_test(a_typed_message_says_its_type),
		cmocka_unit_test(
			what_is_malformed_or_of_another_type_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
