# For tools that only support node-gyp. Runs the script that builds with CMake (CMakeLists.txt).
{
  "targets": [
    {
      "target_name": "qwen3_embed",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/qwen3_embed.node"],
          "action": ["node", "scripts/install/build-native.mjs", "--if-needed"]
        }
      ]
    }
  ]
}
