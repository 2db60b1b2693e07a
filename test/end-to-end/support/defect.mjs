// Loaded before a process: SIGUSR2 makes something fail that nobody catches.
process.on('SIGUSR2', () => Promise.reject(new Error('a defect\nin two lines')))
