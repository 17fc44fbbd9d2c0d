# What a person types.

.PHONY: all run test bench fuzz clean generated packages check
generated: $(GENERATED)

all: $(HOST_PROGRAMS) $(USER_PROGRAMS)

clean:
	rm -rf $(B)
