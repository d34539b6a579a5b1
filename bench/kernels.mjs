export async function kernels() { return {}; }
