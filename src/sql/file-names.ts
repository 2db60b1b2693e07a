/**
 * Writes a view's name, or its schema's, as a part of the name of a file. Every file system and shell takes it, and no other
 * name is written so, not even if the file system takes capitals for small letters: a capital is `+` and the
 * small letter, and each byte of what is no letter of ASCII, digit or `_` is `@` with two digits: `Odd name` is `+odd@20name`.
 * So is the first letter of a name that Windows keeps for devices. The whole has at most 189 characters.
 */
export const fileNameOf = (name: string): string =>
  name.replace(isDevice.test(name) ? /^./ : /[^a-z0-9_]/gu, (letter) =>
    /[A-Z]/.test(letter)
      ? `+${letter.toLowerCase()}`
      : [...new TextEncoder().encode(letter)]
          .map((byte) => `@${byte.toString(16).padStart(2, '0')}`)
          .join(''),
  )

const isDevice = /^(con|prn|aux|nul|com\d|lpt\d)$/
