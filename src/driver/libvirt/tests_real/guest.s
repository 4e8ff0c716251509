# The guest of the real tests: a boot sector that answers on the serial port and obeys keys and the power button.
# as --32 guest.s -o guest.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e 0x7c00 guest.o -o guest.bin
.code16
.intel_syntax noprefix
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     [drive], dl
        cld
        mov     si, offset greeting
1:      lodsb
        test    al, al
        jz      2f
        mov     dx, 0x3f8               # COM1
        out     dx, al
        jmp     1b
2:      mov     dx, 0x602               # PM1 enable: power button
        mov     ax, 0x100
        out     dx, ax
wait:   sti
        hlt
        mov     dx, 0x600               # PM1 status
        in      ax, dx
        test    ah, 1                   # power button
        jnz     off
        mov     ah, 1                   # key waiting?
        int     0x16
        jz      wait
        mov     ah, 0
        int     0x16
        mov     dx, 0x3f8               # echo
        out     dx, al
        cmp     al, 'p'
        je      off
        cmp     al, 'r'
        je      reset
        cmp     al, 'c'
        je      crash
        cmp     al, 'w'
        jne     wait
write:  mov     si, offset packet       # write the whole disk
        mov     ax, 0x4300
        mov     dl, [drive]
        int     0x13
        add     dword ptr [packet + 8], 127
        jmp     write
off:    mov     dx, 0x604               # PM1 control: soft off
        mov     ax, 0x2000
        out     dx, ax
        jmp     wait
reset:  mov     dx, 0xcf9
        mov     al, 6
        out     dx, al
        jmp     wait
crash:  mov     dx, 0x505               # pvpanic
        mov     al, 1
        out     dx, al
        jmp     wait
drive:  .byte   0
packet: .byte   16, 0
        .word   127, 0x7e00, 0
        .quad   1
greeting: .asciz "READY\n"
