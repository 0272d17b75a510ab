# culvert: build, test and install.  `make help` lists the targets.
#
# Variants share one rule set: V=release (default) | size | asan | tsan | fuzz.
# Objects and programs of release are in build/, of the others in build/$V/.
# T=name picks one test, fuzz target or benchmark; TIME=seconds a fuzz target.
# Another processor: CROSS=aarch64-linux-gnu- B=folder, PKG_CONFIG and its
# variables, CFLAGS, LDFLAGS; scripts/cross shows it done.

V	?= release
B	?= $(if $(filter release,$V),build,build/$V)
PREFIX	?= /usr/local
DESTDIR	?=
# Where `make install` puts the unit: /usr/lib/systemd/system. Empty: nowhere
SYSTEMD	?=
CONF	?= config.json
VERSION	:= 0.1.0
Q	?= @
comma	:= ,

# --- flags ------------------------------------------------------------------

WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
	   -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough \
	   -Wconversion -Wno-sign-conversion -Wdouble-promotion \
	   -Wnull-dereference
# Errors in a checkout (developers, CI), only warnings in a release tarball
WERROR	?= $(if $(wildcard .git),-Werror)
COMMON	:= -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	   -DCULVERT_VERSION='"$(VERSION)"' -I. -fno-common -fPIE -pthread -MMD -MP

CFLAGS_release	= -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS_size	= -Os -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
		  -ffunction-sections -fdata-sections
CFLAGS_asan	= -O1 -g -fsanitize=address,undefined \
		  -fno-omit-frame-pointer -fno-sanitize-recover=all
CFLAGS_tsan	= -O1 -g -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz	= -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
		  -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS_size	= -Wl,--gc-sections
LDFLAGS_asan	= -fsanitize=address,undefined
LDFLAGS_tsan	= -fsanitize=thread
LDFLAGS_fuzz	= -fsanitize=address,undefined
# clang's set of warnings differs: `make lint` holds the code to those
WARN_fuzz	= -w

CROSS	?=
ifeq ($V,fuzz)
CC	:= clang
else ifeq ($(origin CC),default)
CC	:= $(CROSS)gcc
endif
ifeq ($(origin LD),default)
LD	:= $(CROSS)ld
endif
ifeq ($(origin AR),default)
AR	:= $(CROSS)ar
endif
OBJCOPY	?= $(CROSS)objcopy
NM	?= $(CROSS)nm
STRIP	?= $(CROSS)strip
PKG_CONFIG ?= pkg-config

PKGS	:= libcjson libnl-3.0 libcrypto libpcre2-8 \
	   $(if $(wildcard proxy/transport/tls*.c),libssl) \
	   $(if $(wildcard proxy/*/h2*.c),libnghttp2)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)

ALL_CFLAGS  = $(COMMON) $(or $(WARN_$V),$(WARN) $(WERROR)) $(CFLAGS_$V) \
	      $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now -Wl,--as-needed -pie -pthread \
	      $(LDFLAGS_$V) $(LDFLAGS)
# Several hundred test programs: with this one in a fifth of the time
TEST_LDFLAGS := $(if $(CROSS),,$(if $(shell command -v ld.lld 2>/dev/null),\
	-fuse-ld=lld))

# --- sources ----------------------------------------------------------------

SRC	:= $(wildcard gateway/*/*.c proxy/*/*.c netstack/*.c)
MAIN	:= gateway/app/main.c
OBJ	:= $(patsubst %.c,$B/obj/%.o,$(filter-out $(MAIN),$(SRC)))
MAINOBJ	:= $(patsubst %.c,$B/obj/%.o,$(filter $(MAIN),$(SRC)))

# The instanced stack: our glue and lwIP linked into one object, of which each
# worker gets a copy of its own, all names ended by _N: lw_ops_N is its vtable.
# (Made local instead, as objcopy also can, global names break MIPS relocations.)
LWIP_SRC ?= build/lwip/src
# the root of lwIP's source will do as well as its src/
ifneq ($(wildcard $(LWIP_SRC)/src/core/init.c),)
override LWIP_SRC := $(LWIP_SRC:/=)/src
endif
NS_MAX	?= $(if $(filter asan fuzz,$V),1,4)
LWSRC	:= $(wildcard netstack/lw/*.c)
LWIDX	:= $(shell seq 0 $$(($(NS_MAX) - 1)))
LWIP_FILES := $(addprefix core/,init def inet_chksum ip mem memp netif pbuf \
	tcp tcp_in tcp_out ipv4/icmp ipv4/ip4 ipv4/ip4_addr ipv4/ip4_frag \
	ipv6/icmp6 ipv6/inet6 ipv6/ip6 ipv6/ip6_addr ipv6/ip6_frag ipv6/nd6)
LWOBJ	:= $(patsubst %.c,$B/obj/%.o,$(LWSRC)) \
	   $(patsubst %,$B/obj/lwip/%.o,$(LWIP_FILES))
ifneq ($(LWSRC),)
LWINST	:= $(LWIDX:%=$B/lw_%.o) $B/lw_table.o
endif
LWINC	:= -Inetstack/lw -isystem $(LWIP_SRC)/include
# included by headers of the system, which -MMD does not tell
LWCONF	:= netstack/lw/lwipopts.h netstack/lw/arch/cc.h
ifeq ($(LWIP_SRC),build/lwip/src)
LWSTAMP	:= build/lwip/.unpacked
endif

UNITS	:= $(patsubst tests/unit/%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))
UNITHLP	:= $(patsubst %.c,$B/obj/%.o,\
	   $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
FUZZERS	:= $(patsubst tests/fuzz/%.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES	:= $(patsubst tests/bench/%.c,$B/bench/%,\
	   $(wildcard tests/bench/bench_*.c))
BENCHTOOLS := $(patsubst tests/bench/%.c,$B/bench/%,\
	   $(filter-out tests/bench/bench_%,$(wildcard tests/bench/*.c)))
NTOBJ	:= $(patsubst %.c,$B/obj/%.o,$(wildcard tests/tools/nt*.c))
TOOLS	:= $(if $(NTOBJ),$B/nt)

# --- build ------------------------------------------------------------------

all: $(if $(MAINOBJ),$B/culvert) $B/libculvert.a $(TOOLS)

help:
	@echo 'all        build/culvert and the test tools'
	@echo 'demo       the whole journey in namespaces (root)'
	@echo 'run        run build/culvert with CONF=config.json (root)'
	@echo 'test       every test: unit, namespaces, fuzz; release and ASan'
	@echo 'check      unit tests [T=name];  check-net: namespace tests [T=name]'
	@echo 'fuzz       fuzz targets [T=name] [TIME=60]'
	@echo 'asan tsan  build and unit-test under the sanitizers'
	@echo 'lint       format, clang-tidy, cppcheck, layers, size, journey'
	@echo 'format     lay out the sources by .clang-format [T=folder]'
	@echo 'cross      build and unit-test for T=s390x|arm64|armhf|mipsel (root)'
	@echo 'bench      benchmarks [T=name];  size: bytes of the stripped program'
	@echo 'setup      install what is missing;  install, uninstall, clean'
	@echo 'dist       build/culvert-$(VERSION).tar.xz of what is committed'

$B/culvert: $(MAINOBJ) $B/libculvert.a
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm $(LIBS)

$B/libculvert.a: $(OBJ) $(LWINST) $B/.list
	@echo "  AR      $@"
	$Qrm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$B/obj/%.o: %.c $B/.flags
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$Q$(CC) $(ALL_CFLAGS) -c $< -o $@

$B/obj/netstack/lw/%.o: netstack/lw/%.c $B/.flags $(LWCONF) | $(LWSTAMP)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$Q$(CC) $(LWINC) $(ALL_CFLAGS) -c $< -o $@

$B/obj/lwip/%.o: $(LWIP_SRC)/%.c $B/.flags $(LWCONF) | $(LWSTAMP)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$Q$(CC) $(LWINC) $(COMMON) $(CFLAGS_$V) $(CFLAGS) -w -c $< -o $@

$B/lw_all.o: $(LWOBJ) $B/.list
	@echo "  LD -r   $@"
	$Q$(LD) -r -o $@ $(filter %.o,$^)

# a static pattern: make's own %: %.o would look for lw_table.d.o here
$(LWIDX:%=$B/lw_%.o): $B/lw_%.o: $B/lw_all.o Makefile
	$Q$(NM) -g --defined-only $< | \
		awk '{ print $$3, $$3 "_$*" }' > $(@:.o=.names)
	$Q$(OBJCOPY) --redefine-syms=$(@:.o=.names) $< $@

$B/lw_table.c: $B/.flags
	$Q{ echo '/* made by the Makefile: one stack copy for each worker */'; \
	echo '#include "netstack/lw.h"'; \
	$(foreach i,$(LWIDX),echo 'extern const struct lw_ops lw_ops_$i;';) \
	echo 'extern const struct lw_ops *const lw_table[];'; \
	echo 'extern const unsigned lw_table_len;'; \
	echo 'const struct lw_ops *const lw_table[] = {'; \
	$(foreach i,$(LWIDX),echo '	&lw_ops_$i,';) \
	echo '};'; echo 'const unsigned lw_table_len = $(NS_MAX);'; } > $@

$B/lw_table.o: $B/lw_table.c
	$Q$(CC) $(ALL_CFLAGS) -Wno-redundant-decls -c $< -o $@

ifneq ($(LWSTAMP),)
$(LWSTAMP):
	scripts/fetch-lwip build/lwip
# so that make knows how the sources come into being
$(LWIP_FILES:%=$(LWIP_SRC)/%.c): $(LWSTAMP) ;
else
$(LWIP_FILES:%=$(LWIP_SRC)/%.c):
	@echo 'LWIP_SRC=$(LWIP_SRC): there is no $(@:$(LWIP_SRC)/%=%). It must be' \
		"the unpacked source of lwIP 2.2.1, or its src/" >&2; exit 1
endif

# --- tests and fuzz targets ---------------------------------------------------

# alloc_fail_at() of the unit tests stands between them and these
UNITLD	:= $(if $(wildcard tests/unit/alloc_fail.c),\
	   $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc strdup))

# test_lw_* look inside the instanced stack: they get lw_all.o and lwIP's headers
$B/obj/tests/unit/test_lw_%.o: tests/unit/test_lw_%.c $B/.flags $(LWCONF) \
		| $(LWSTAMP)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$Q$(CC) $(LWINC) $(ALL_CFLAGS) -c $< -o $@

$B/unit/test_lw_%: $B/obj/tests/unit/test_lw_%.o $(UNITHLP) $B/lw_all.o \
		$B/libculvert.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) $(UNITLD) -o $@ $^ $(PKG_LIBS) -lcmocka -lm

$B/unit/%: $B/obj/tests/unit/%.o $(UNITHLP) $B/libculvert.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) $(UNITLD) -o $@ $^ $(PKG_LIBS) -lcmocka -lm

$B/obj/tests/fuzz/fuzz_lw_%.o: tests/fuzz/fuzz_lw_%.c $B/.flags $(LWCONF) \
		| $(LWSTAMP)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$Q$(CC) $(LWINC) $(ALL_CFLAGS) -c $< -o $@

$B/fuzz_lw_%: $B/obj/tests/fuzz/fuzz_lw_%.o $B/lw_all.o $B/libculvert.a
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS) -lm

$B/fuzz_%: $B/obj/tests/fuzz/fuzz_%.o $B/libculvert.a
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS) -lm

$B/bench/%: $B/obj/tests/bench/%.o $B/libculvert.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

# Started thousands of times: the one function that it needs, not all of a library
NTLIB	= $(filter /%,$(shell $(CC) -print-file-name=libcrypto.a))

$B/nt: $(NTOBJ)
	@echo "  LD      $@"
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ $(or $(NTLIB),-lcrypto)

# What the runner asks for, in the variant V
units: $(if $T,$(filter %/$T %/test_$T,$(UNITS)),$(UNITS))
fuzzers: $(if $T,$(filter %/$T %/fuzz_$T,$(FUZZERS)),$(FUZZERS))

benches: $(if $T,$(filter %/$T %/bench_$T,$(BENCHES)),$(BENCHES)) \
	$(BENCHTOOLS)

# Objects depend on the flags, the archive on the list of sources
$B/.flags: FORCE
	@$(if $(PKG_LIBS),true,echo 'libraries are missing: make setup'; false)
	@mkdir -p $(@D)
	@echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(LWIP_SRC) $(NS_MAX)' \
		| cmp -s - $@ || \
	echo '$(CC) $(subst ','\'',$(ALL_CFLAGS)) $(LWIP_SRC) $(NS_MAX)' > $@
$B/.list: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJ) $(LWOBJ)' | cmp -s - $@ || echo '$(OBJ) $(LWOBJ)' > $@

# --- what people call ----------------------------------------------------------

# Every target that runs something makes sure of its packages first; the
# recursive make then sees the libraries that were installed.
MK	= $(MAKE) --no-print-directory

setup:
	@scripts/setup all
	@$(if $(LWSTAMP),scripts/fetch-lwip build/lwip,true)

test:
	@scripts/setup all
	@scripts/run-tests all

check:
	@scripts/setup all
	@scripts/run-tests unit $T

check-net:
	@scripts/setup all
	@scripts/run-tests net $T

asan:
	@scripts/setup all
	@$(MK) V=asan all
	@scripts/run-tests unit-asan $T

tsan:
	@scripts/setup all
	@$(MK) V=tsan all
	@scripts/run-tests unit-tsan $T

fuzz:
	@scripts/setup all
	@TIME=$(or $(TIME),60) scripts/run-tests fuzz $T

lint:
	@$(MK) setup
	@scripts/lint $T

cross:
	@scripts/cross $T

# T=FOLDER or file: lays out the code as `make lint` wants it
format:
	@find $(or $T,gateway proxy netstack tests) -name '*.[ch]' | \
		xargs -r clang-format --style=file -i

demo:
	@scripts/setup build
	@$(MK) all
	@scripts/demo

bench:
	@scripts/setup bench
	@$(MK) all
	@tests/bench/run $T

run: all
	$B/culvert run -c $(CONF)

size:
	@$(MK) V=release all
	@$(MK) V=size all
	@for f in build/culvert build/size/culvert; do \
		$(STRIP) -o $$f.stripped $$f && \
		echo "$$f stripped: $$(stat -c %s $$f.stripped) bytes"; done

# What users of an installed culvert read
USERDOCS = CONFIG CONFIG-host CONFIG-inbounds CONFIG-routing XRAY SWITCHING \
	   TROUBLESHOOTING OPENWRT

install: all
	install -D -m 755 $B/culvert $(DESTDIR)$(PREFIX)/bin/culvert
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/culvert/LICENSE
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/culvert/README.md
	install -d $(DESTDIR)$(PREFIX)/share/doc/culvert/docs
	install -m 644 $(USERDOCS:%=docs/%.md) \
		$(DESTDIR)$(PREFIX)/share/doc/culvert/docs
	install -D -m 644 scripts/culvert.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/culvert.1
	install -D -m 644 scripts/culvert.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/culvert
ifneq ($(SYSTEMD),)
	install -D -m 644 scripts/systemd/config.json \
		$(DESTDIR)$(PREFIX)/share/doc/culvert/config.json
	install -d $(DESTDIR)$(SYSTEMD)
	sed 's#@PREFIX@#$(PREFIX)#g' scripts/systemd/culvert.service \
		> $(DESTDIR)$(SYSTEMD)/culvert.service
endif

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/culvert \
		$(DESTDIR)$(PREFIX)/share/man/man1/culvert.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/culvert
	$(if $(SYSTEMD),rm -f $(DESTDIR)$(SYSTEMD)/culvert.service)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/culvert

# The release: what packages are built from
dist:
	@mkdir -p build
	@git archive --prefix=culvert-$(VERSION)/ HEAD | xz -9 \
		> build/culvert-$(VERSION).tar.xz
	@sha256sum build/culvert-$(VERSION).tar.xz

clean:
	rm -rf build

# What scripts/check-tidy compiles with
tidy-flags:
	@echo '$(subst ','\'',$(filter-out -MMD -MP,$(COMMON)) -Wall -Wextra \
	-Wshadow -Wno-sign-conversion $(PKG_CFLAGS) -Inetstack/lw \
	-isystem $(LWIP_SRC)/include)'

FORCE:
.PHONY: all help units fuzzers benches setup test check check-net asan tsan \
	fuzz lint cross format \
	demo bench run size install uninstall dist clean tidy-flags FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(shell [ -d $B/obj ] && find $B/obj -name '*.d') \
	$(wildcard $B/lw_table.d)
