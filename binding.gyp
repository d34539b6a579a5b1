# For tools that know node-gyp only. CMakeLists.txt is the build truth; this calls the script that runs it.
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
