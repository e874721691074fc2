# Postern: build, test, run, bench. `make help` lists the targets. No list of files is kept here: a room is a folder of
# src/, every .c in it belongs to its archive; x_test.c and x_fuzz.c become programs of their own.
#   B=DIR    build somewhere else          SAN=1   with ASan and UBSan (build-san)
#   ROOM=x   limit `make unit` to a room     V=1     show commands

SAN ?=
Q := $(if $(V),,@)
B ?= $(if $(SAN),build-san,build)
CC ?= gcc
ROOMS := base net db mail bus conf event spool smtp policy store receive queue scan deliver quarantine lookup record admin capture push central console shell web snmp clock role
ROOMS := $(foreach r,$(ROOMS),$(if $(wildcard src/$(r)/*.c),$(r)))

WARN := -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla
, := ,
OPT := $(if $(SAN),-O1 -fsanitize=address$(,)undefined -fno-sanitize-recover=all -fno-omit-frame-pointer,-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
GMIME := $(patsubst -I%,-isystem%,$(shell pkg-config --cflags-only-I gmime-3.0))
CFLAGS += -std=gnu17 -D_GNU_SOURCE -g $(OPT) $(WARN) -fPIE -ffunction-sections -fdata-sections -Isrc -isystem /usr/include/libxml2 $(GMIME)
LDFLAGS += $(if $(SAN),-fsanitize=address$(,)undefined) -pie -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now

# What each executable may link beside libc and libuv (design-notes H1; tools/rooms checks the result).
LIBS_postern  := -luv -lxml2 -lsodium -lcrypto -lpcre2-8 -lhs
LIBS_master   := -luv
LIBS_control  := -luv -lxml2 -lsodium -lcrypto -lpcre2-8 -lhs
LIBS_receive  := -luv -lssl -lcrypto
LIBS_queue    := -luv
LIBS_scan     := -luv -lhs -lpcre2-8 -lgmime-3.0 -lgobject-2.0 -lglib-2.0 -lmagic -larchive -lidn2 -lpsl -lcrypto
LIBS_deliver  := -luv -lssl -lcrypto
LIBS_lookup   := -luv -lunbound -lssl -lcrypto -lidn2
LIBS_quarantine := -luv -lsqlite3 -lssl -lcrypto
LIBS_record   := -luv -lpsl -lidn2 -lz -lsqlite3 -lzstd -lcrypto
LIBS_shell    := -luv -lssh
LIBS_web      := -luv -lmicrohttpd -lgnutls -ljansson
LIBS_push     := -luv -lssh -lcurl -lssl -lcrypto
LIBS_snmp     := -luv -lnetsnmpagent -lnetsnmp
LIBS_clock    := -luv
LIBS_central  := -luv -lssh -lssl -lcrypto
LIBS_capture  := -luv -lpcap
LIBS_session  := -luv -lzstd -lxml2 -lsodium -lssl -lcrypto -lidn2 -lpcre2-8
LIBS_TEST     := -lzstd -lcmocka -luv -lssl -lcrypto -lsqlite3 -lidn2 -lunbound -lxml2 -lsodium -lssh -lmicrohttpd -lgnutls -ljansson -lcurl -lnetsnmpagent -lnetsnmp -lpcre2-8 -lhs -lpcap -lgmime-3.0 -lgobject-2.0 -lglib-2.0 -lmagic -larchive -lpsl -lz -lpthread

sources = $(filter-out src/$(1)/main_%.c %_test.c %_fuzz.c,$(wildcard src/$(1)/*.c))
ARCHIVES := $(ROOMS:%=$(B)/lib/lib%.a)
GROUP := -Wl,--start-group $(ARCHIVES) -Wl,--end-group
MAINS := $(patsubst src/role/main_%.c,%,$(wildcard src/role/main_*.c))
PROGRAMS := $(foreach m,$(MAINS),$(B)/postern$(if $(filter-out postern,$(m)),-$(m)))
TEST_SOURCES := $(wildcard src/$(or $(ROOM),*)/*_test.c)
TESTS := $(TEST_SOURCES:src/%.c=$(B)/test/%)
FUZZ_SOURCES := $(wildcard src/$(or $(ROOM),*)/*_fuzz.c)
FUZZERS := $(FUZZ_SOURCES:src/%.c=build-fuzz/fuzz/%)

all: $(PROGRAMS)

help:
	@echo "make | run | test | bench | unit [ROOM=x] [SAN=1] | fuzz [SECONDS=n] | rooms | format | clean"

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

define room_archive
$(B)/lib/lib$(1).a: $(patsubst src/%.c,$(B)/obj/%.o,$(call sources,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_archive,$(r))))

define role_program
$(B)/postern$(if $(filter-out postern,$(1)),-$(1)): $(B)/obj/role/main_$(1).o $(ARCHIVES)
	$(Q)$(CC) $(LDFLAGS) $$< $(GROUP) $(LIBS_$(1)) -o $$@
endef
$(foreach m,$(MAINS),$(eval $(call role_program,$(m))))

$(B)/test/%: $(B)/obj/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $< $(GROUP) $(LIBS_TEST) -o $@

# Programs of the bench: bench/NAME.c, built and run by scripts beside it.
$(B)/bench/%: bench/%.c $(ARCHIVES)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< $(GROUP) $(LIBS_TEST) -o $@
bench-programs: $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))

# Unit tests of all rooms or one: builds, runs each, prints cmocka's totals.
unit: $(TESTS)
	@tools/run-units $(TESTS)

build-fuzz/fuzz/%: src/%.c fuzz-archives
	@mkdir -p $(@D)
	$(Q)clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc -isystem /usr/include/libxml2 $< -Wl,--start-group $(ROOMS:%=build-fuzz/lib/lib%.a) -Wl,--end-group $(filter-out -lcmocka,$(LIBS_TEST)) -Wl,--as-needed -o $@

fuzz-archives:
	@$(MAKE) --no-print-directory B=build-fuzz CC=clang OPT='-O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' $(ROOMS:%=build-fuzz/lib/lib%.a)

SECONDS ?= 10
fuzz: $(FUZZERS)
	@tools/run-fuzz $(SECONDS) $(FUZZERS)

rooms:
	@tools/rooms

format:
	clang-format -i $(shell git ls-files 'src/*.c' 'src/*.h')

setup:
	@tools/setup build run test

test: setup
	@tools/run-tests

run: 
	@tools/setup build run
	@$(MAKE) --no-print-directory all
	@tools/demo

bench:
	@tools/setup build run test
	@$(MAKE) --no-print-directory all
	@bench/run

clean:
	rm -rf build build-san build-fuzz

.PHONY: all bench-programs help unit fuzz fuzz-archives rooms format setup test run bench clean
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
