# The engine and the tests of its logic over simulated kernel objects.

ENGINE_LOGIC := $(addprefix services/engine/,frame.c log_ring.c specification.c container.c \
                  process.c session.c session_output.c requests.c requests_life.c \
                  requests_streams.c requests_blobs.c requests_report.c requests_limits.c \
                  requests_trace.c personality.c engine.c marks.c)

$(call user_program,engine,$(ENGINE_LOGIC) $(addprefix services/engine/,objects.c trace_rings.c template.c blobs.c \
    control.c main.c))

$(call host_test,engine_log_ring,services/engine/test/log_ring_test.c services/engine/log_ring.c)
ENGINE_TESTED := $(ENGINE_LOGIC) services/engine/test/simulated_objects.c \
    services/engine/test/harness.c lib/base/record.c lib/base/tree.c lib/base/format.c \
    lib/ring/byte_ring.c
$(call host_test,engine_life,services/engine/test/life_test.c $(ENGINE_TESTED))
$(call host_test,engine_streams,services/engine/test/streams_test.c $(ENGINE_TESTED))
$(call host_test,engine_copy,services/engine/test/copy_test.c $(ENGINE_TESTED))
$(call host_test,engine_hostile,services/engine/test/hostile_test.c $(ENGINE_TESTED))
$(call host_fuzzer,engine,services/engine/test/engine_fuzz.c $(ENGINE_TESTED))
