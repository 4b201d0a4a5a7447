{#- The distinct values of a column, for models whose shape depends on data; none while dbt parses. -#}
{% macro column_values(relation, column, where='true', order_by=none) -%}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {{ return(run_query(
        'select ' ~ column ~ ' from ' ~ relation ~ ' where ' ~ where
        ~ ' group by all order by min(' ~ (order_by or column) ~ ')'
    ).columns[0].values() | list) }}
{%- endmacro %}
