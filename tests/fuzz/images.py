#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the small images that fuzz_extfs damages: images.py FILE

Takes Debian's e2fsprogs. FILE gets one image after the other: its size, then
pieces of it, each with its place and length before it, up to one of no length;
numbers are four bytes, the lowest first. A length with the highest bit set is
that of a single byte, over and over. What is in no piece is zeros.

Files hold nothing but the letter x, so that what else is not zero is metadata.
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

os.environ['PATH'] += ':/usr/sbin:/sbin'
os.environ['E2FSPROGS_FAKE_TIME'] = '1700000000'
UUID = '01234567-89ab-cdef-0123-456789abcdef'
PIECE = 64

KINDS = [
    ('128K', '-t ext2 -b 1024 -N 24 -O ^resize_inode,^dir_index'),
    ('192K', '-t ext4 -b 1024 -N 24 -I 256 -O ^metadata_csum,^uninit_bg,'
     '^has_journal,^resize_inode,^dir_index,^flex_bg,inline_data'),
    ('192K', '-t ext4 -b 2048 -N 24 -O ^has_journal,^resize_inode,^64bit,'
     '^flex_bg,metadata_csum'),
]


def make_tree(top):
    def write(name, *parts):
        with open(os.path.join(top, name), 'wb') as file:
            for at, size in parts:
                file.seek(at)
                file.write(b'x' * size)

    os.makedirs(os.path.join(top, 'd/e'))
    write('one', (0, 3000))
    write('tiny', (0, 40))
    write('d/large', (0, 20000))
    write('d/sparse', (0, 10), (40000, 2000), (300000, 1))
    write('d/e/empty', (0, 0))
    os.symlink('one', os.path.join(top, 'short'))
    os.symlink('d/' * 90 + 'x', os.path.join(top, 'long'))
    os.link(os.path.join(top, 'one'), os.path.join(top, 'd/again'))


def make_image(path, tree, size, options):
    with open(path, 'wb') as file:
        file.truncate(int(size[:-1]) * 1024)
    subprocess.run(['mke2fs', '-q', '-F', *options.split(), '-U', UUID, '-m',
                    '0', '-E', 'hash_seed=' + UUID + ',root_owner=0:0', '-d',
                    tree, path], check=True)
    # A file in many pieces: what lies between them is removed.
    commands = []
    for i in range(12):
        commands.append(f'write {tree}/tiny p{i}')
    with open(os.path.join(tree, 'frag'), 'wb') as file:
        file.write(b'x' * 9000)
    for i in range(0, 12, 2):
        commands.append(f'rm p{i}')
    commands.append(f'write {tree}/frag frag')
    subprocess.run(['debugfs', '-w', '-f', '/dev/stdin', path],
                   input='\n'.join(commands), text=True, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.unlink(os.path.join(tree, 'frag'))


def is_even(piece):
    return len(set(piece)) <= 1


def pieces(data):
    """Runs of PIECEs that are all of one byte, or none of them is."""
    start = 0
    for at in range(PIECE, len(data) + PIECE, PIECE):
        before = data[at - PIECE:at]
        here = data[at:at + PIECE]
        if at < len(data) and is_even(here) == is_even(before) and \
                (not is_even(here) or here[0] == before[0]):
            continue
        if any(data[start:at]):
            yield start, data[start:at]
        start = at


def packed(at, piece):
    if is_even(piece):
        return struct.pack('<II', at, len(piece) | 1 << 31) + piece[:1]
    return struct.pack('<II', at, len(piece)) + piece


def main():
    directory = tempfile.mkdtemp()
    tree = os.path.join(directory, 'tree')
    image = os.path.join(directory, 'image')
    make_tree(tree)
    with open(sys.argv[1], 'wb') as out:
        for size, options in KINDS:
            make_image(image, tree, size, options)
            with open(image, 'rb') as file:
                data = file.read()
            out.write(struct.pack('<I', len(data)))
            for at, piece in pieces(data):
                out.write(packed(at, piece))
            out.write(struct.pack('<II', 0, 0))
    shutil.rmtree(directory)


main()
