# steer.py DEV MODE: which queue of a multi-queue TUN the kernel gives packets to
#
#	0, 1, ...	all to that queue
#	random		each packet to another one
#	off		the kernel's own way again
#
# A steering program is set by a queue of our own, which is detached at once: the
# device keeps the number of its queues. Sources: Linux include/uapi/linux/if_tun.h,
# bpf(2).
import ctypes
import fcntl
import os
import platform
import struct
import sys

TUNSETIFF, TUNSETQUEUE, TUNSETSTEERINGEBPF = 0x400454ca, 0x400454d9, 0x800454e0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 1, 0x1000, 0x4000, 0x100
IFF_DETACH_QUEUE = 0x400
BPF_PROG_LOAD, SOCKET_FILTER, GET_PRANDOM = 5, 1, 7
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]


def insn(op, imm=0):
    return struct.pack("<BBhi", op, 0, 0, imm)


def load(mode):
    first = insn(0x85, GET_PRANDOM) if mode == "random" else insn(0xb7, int(mode))
    prog = ctypes.create_string_buffer(first + insn(0x95), 16)  # r0 = ...; exit
    lic = ctypes.create_string_buffer(b"GPL")
    attr = ctypes.create_string_buffer(
        struct.pack("<IIQQ", SOCKET_FILTER, 2, ctypes.addressof(prog),
                    ctypes.addressof(lic)), 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYS_BPF, BPF_PROG_LOAD, attr, 128)
    if fd < 0:
        sys.exit("bpf: " + os.strerror(ctypes.get_errno()))
    return fd


dev, mode = sys.argv[1:]
tun = os.open("/dev/net/tun", os.O_RDWR)
ifr = struct.pack("16sH22x", dev.encode(),
                  IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)
prog = -1 if mode == "off" else load(mode)
fcntl.ioctl(tun, TUNSETIFF, ifr)
fcntl.ioctl(tun, TUNSETSTEERINGEBPF, struct.pack("i", prog))
fcntl.ioctl(tun, TUNSETQUEUE, struct.pack("16sH22x", b"", IFF_DETACH_QUEUE))
print("steering", mode)
